//! Codes that are sent to somebody to be typed back: proof that they read what goes there, and nothing more.
//!
//! Knows: how a code is drawn, spelt, hashed and compared. Must never know: how it is sent, or what it allows. Mail is
//! no second factor (NIST SP 800-63B-4 §3.1.3.1), so these codes are no provider: nothing but a recovery and the
//! confirmation of an address ever asks for one.

use alloc::string::String;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::id::{hex, unhex};
use crate::rule::Entropy;
use crate::seal::KeyRing;

/// Characters of a code without its hyphen: 50 bits. §4.2.1.2 asks for 6 digits.
const CODE_CHARS: usize = 10;
/// Longest text that is looked at.
const TEXT_BYTES_MAX: usize = 64;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a code is for; one drawn for something is worth nothing elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use<'a> {
    /// To recover an account; bound to the recovery's identifier.
    Recovery(&'a str),
    /// To confirm an address; bound to account and address.
    Address(&'a str, &'a str),
}

/// Draws a code, spelt in two groups of five letters and digits.
pub fn draw(entropy: &mut dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; CODE_CHARS]);
    entropy.fill(&mut *bytes);
    let mut text = Zeroizing::new(String::with_capacity(CODE_CHARS + 1));
    for (at, byte) in bytes.iter().enumerate() {
        if at == CODE_CHARS / 2 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    text
}

/// What is kept of a code, in hexadecimal.
pub fn hash(code: &str, bound: Use<'_>, keys: &KeyRing) -> String {
    let bare: Zeroizing<String> = Zeroizing::new(code.chars().filter(|c| *c != '-').collect());
    let hashed = match bound {
        Use::Recovery(id) => keys.index("recovery code", &[id.as_bytes(), bare.as_bytes()]),
        Use::Address(name, address) => keys.index(
            "address code",
            &[name.as_bytes(), address.as_bytes(), bare.as_bytes()],
        ),
    };
    hex(&hashed)
}

/// Whether what was typed is the code that is kept, in any spelling of it.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It is.
    Right,
    /// It is not.
    Wrong,
    /// It can't be such a code; that is no guess.
    Malformed,
}

/// Compares in constant time.
pub fn compare(typed: &str, kept: &str, bound: Use<'_>, keys: &KeyRing) -> Typed {
    let Some(canonical) = canonical(typed) else {
        return Typed::Malformed;
    };
    let presented = unhex(&hash(&canonical, bound, keys)).unwrap_or_default();
    let is_equal = unhex(kept).is_some_and(|kept| kept.ct_eq(&presented).into());
    if is_equal { Typed::Right } else { Typed::Wrong }
}

/// Lower case without spaces, hyphens and a trailing line end; nothing when any other character or length remains.
fn canonical(text: &str) -> Option<Zeroizing<String>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let kept = text
        .trim_end_matches(['\r', '\n'])
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'));
    let text: Zeroizing<String> = Zeroizing::new(kept.map(|c| c.to_ascii_lowercase()).collect());
    let fits = text.len() == CODE_CHARS && text.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        let key = |fill| Zeroizing::new([fill; 32]);
        KeyRing::new(alloc::vec![("k1".into(), key(1))], key(2), key(3)).expect("one key")
    }

    #[test]
    fn code_is_right_in_any_spelling_and_for_its_own_use_alone() {
        let (keys, mut next) = (ring(), 7u8);
        let code = draw(&mut |buffer: &mut [u8]| {
            for byte in buffer {
                next = next.wrapping_mul(13).wrapping_add(5);
                *byte = next;
            }
        });
        assert_eq!(code.len(), CODE_CHARS + 1, "{}", &*code);
        let kept = hash(&code, Use::Recovery("r1"), &keys);
        let spelt = code.to_uppercase().replace('-', " ");
        assert_eq!(compare(&spelt, &kept, Use::Recovery("r1"), &keys), Typed::Right);
        assert_eq!(compare(&code, &kept, Use::Recovery("r2"), &keys), Typed::Wrong);
        assert_eq!(compare(&code, &kept, Use::Address("r1", ""), &keys), Typed::Wrong);
        assert_eq!(compare(&code, "", Use::Recovery("r1"), &keys), Typed::Wrong);
        for malformed in ["", "123456", "abcde-fghi", "abcde-fghi1", "ａbcde-fghij"] {
            let typed = compare(malformed, &kept, Use::Recovery("r1"), &keys);
            assert_eq!(typed, Typed::Malformed, "{malformed}");
        }
    }
}
