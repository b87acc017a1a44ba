//! Backup codes: look-up secrets that work once each (NIST SP 800-63B-4 §3.1.2).
//!
//! Knows: how they are spelt, hashed and used up. Must never know: who is told when one is used. A code
//! carries 120 random bits, above the 112 below which a password hash would be needed, so a keyed hash is
//! enough to keep it; a used code is replaced by a new one at once (§4.2.1.1).

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{Accepted, CodeVerdict, Holder, Provider};
use crate::id::{hex, unhex};
use crate::policy::BACKUP_CODES;
use crate::rule::{Entropy, World};
use crate::seal::{KeyRing, SealError};
use crate::throttle::Class;

/// Random bytes in a backup code.
const CODE_BYTES: usize = 15;
/// Characters of a backup code without its hyphens.
const CODE_CHARS: usize = 24;
/// Longest text that is looked at.
const TEXT_BYTES_MAX: usize = 64;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A set of backup codes, hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupCodes {
    /// Keyed hashes, in hexadecimal.
    hashes: Vec<String>,
}

impl BackupCodes {
    /// Draws a full set; the texts are for their owner's eyes, once.
    pub fn draw(holder: Holder<'_>, world: &mut World<'_>) -> (BackupCodes, Vec<Zeroizing<String>>) {
        let codes: Vec<_> = (0..BACKUP_CODES).map(|_| draw(world.entropy)).collect();
        let hashes = codes
            .iter()
            .map(|code| hex(&hash(code, holder, world.keys)))
            .collect();
        (BackupCodes { hashes }, codes)
    }
}

impl Provider for BackupCodes {
    fn kind(&self) -> &'static str {
        "backup"
    }

    fn about(&self) -> String {
        String::from("Backup codes")
    }

    fn class(&self) -> Class {
        Class::Backup
    }

    fn method(&self) -> &'static str {
        "backup"
    }

    fn check(
        &mut self,
        code: &str,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        let Some(canonical) = canonical(code) else {
            return Ok(CodeVerdict::Malformed);
        };
        let presented = hash(&canonical, holder, world.keys);
        let mut found = u32::MAX;
        for (index, stored) in (0u32..).zip(&self.hashes) {
            let equal = unhex(stored).map_or(Choice::from(0), |stored| stored.ct_eq(&presented[..]));
            found.conditional_assign(&index, equal);
        }
        let Some(slot) = self.hashes.get_mut(found as usize) else {
            return Ok(CodeVerdict::Wrong);
        };
        let replacement = draw(world.entropy);
        *slot = hex(&hash(&replacement, holder, world.keys));
        Ok(CodeVerdict::Accepted(Accepted {
            replacement: Some(replacement),
        }))
    }

    fn codes_left(&self) -> Option<usize> {
        Some(self.hashes.len())
    }
}

/// Whether a text has the letters and length of a backup code.
pub fn has_shape(code: &str) -> bool {
    canonical(code).is_some()
}

/// Lower case without spaces, hyphens and a trailing line end; nothing when any other character or length
/// remains.
fn canonical(code: &str) -> Option<Zeroizing<String>> {
    if code.len() > TEXT_BYTES_MAX {
        return None;
    }
    let kept = code
        .trim_end_matches(['\r', '\n'])
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'));
    let text: Zeroizing<String> = Zeroizing::new(kept.map(|c| c.to_ascii_lowercase()).collect());
    let fits = text.len() == CODE_CHARS && text.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then_some(text)
}

fn draw(entropy: &mut dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; CODE_BYTES]);
    entropy.fill(&mut *bytes);
    let mut text = Zeroizing::new(String::with_capacity(CODE_CHARS + 5));
    for (group, five) in bytes.chunks(5).enumerate() {
        let bits = five
            .iter()
            .fold(0u64, |bits, byte| (bits << 8) + u64::from(*byte));
        for at in 0..8 {
            if at % 4 == 0 && (group, at) != (0, 0) {
                text.push('-');
            }
            text.push(char::from(ALPHABET[(bits >> (35 - 5 * at) & 31) as usize]));
        }
    }
    text
}

fn hash(code: &str, holder: Holder<'_>, keys: &KeyRing) -> [u8; 32] {
    let bare: Zeroizing<String> = Zeroizing::new(code.chars().filter(|c| *c != '-').collect());
    keys.index(
        "backup code",
        &[
            holder.account.as_str().as_bytes(),
            holder.factor.as_bytes(),
            bare.as_bytes(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::policy::Policy;
    use countersign_core::time::UnixSeconds;

    fn with_world<T>(run: impl FnOnce(&mut World<'_>) -> T) -> T {
        let keys = KeyRing::new(
            alloc::vec![("k1".into(), Zeroizing::new([1; 32]))],
            Zeroizing::new([2; 32]),
            Zeroizing::new([3; 32]),
        )
        .expect("one key");
        let mut next = 0u8;
        let mut entropy = |buffer: &mut [u8]| {
            for byte in buffer {
                next = next.wrapping_mul(5).wrapping_add(3);
                *byte = next;
            }
        };
        let policy = Policy::default();
        run(&mut World {
            now: UnixSeconds(1),
            policy: &policy,
            keys: &keys,
            entropy: &mut entropy,
        })
    }

    #[test]
    fn each_code_works_once_in_any_spelling_and_is_replaced() {
        let name = Name::from_ascii("alice").expect("a name");
        let holder = Holder {
            account: &name,
            factor: "f1",
        };
        with_world(|world| {
            let (mut codes, texts) = BackupCodes::draw(holder, world);
            assert_eq!(texts.len(), 10);
            for text in &texts {
                assert_eq!(text.len(), CODE_CHARS + 5, "{}", &**text);
                let spelt = text.to_uppercase().replace('-', " ");
                let verdict = codes.check(&spelt, holder, world).expect("nothing sealed");
                let CodeVerdict::Accepted(Accepted {
                    replacement: Some(replacement),
                }) = verdict
                else {
                    panic!("refused: {verdict:?}")
                };
                assert_ne!(&replacement, text);
                assert_eq!(codes.check(text, holder, world), Ok(CodeVerdict::Wrong));
                assert_eq!(codes.codes_left(), Some(10));
            }
        });
    }

    #[test]
    fn code_of_another_account_is_wrong_and_other_shapes_are_malformed() {
        let (alice, bob) = (
            Name::from_ascii("alice").expect("a name"),
            Name::from_ascii("bob").expect("a name"),
        );
        with_world(|world| {
            let (mut codes, texts) = BackupCodes::draw(
                Holder {
                    account: &alice,
                    factor: "f1",
                },
                world,
            );
            let bob = Holder {
                account: &bob,
                factor: "f1",
            };
            assert_eq!(codes.check(&texts[0], bob, world), Ok(CodeVerdict::Wrong));
            for text in [
                "",
                "123456",
                "aaaa-aaaa",
                "aaaa-aaaa-aaaa-aaaa-aaaa-aaa1",
                "ａaaaaaaaaaaaaaaaaaaaaaaa",
            ] {
                assert_eq!(
                    codes.check(text, bob, world),
                    Ok(CodeVerdict::Malformed),
                    "{text}"
                );
            }
        });
    }
}
