//! Secrets at rest: sealed for one place in one record, under a key that has a name.
//!
//! Knows: the key ring, the cipher (XChaCha20-Poly1305) and what a seal is bound to. Must never know: where
//! keys are kept. There is no second way to read a sealed value: what this cipher and ring refuse is refused.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key as CipherKey, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::id::hex;
use crate::rule::Entropy;

/// Bytes in every key of the ring.
pub const KEY_BYTES: usize = 32;

type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// The keys of one installation: several that seal (the last one seals anew, all of them open), one that
/// hashes what would otherwise be searchable, one that chains the audit.
///
/// # Security
/// Wiped on drop; Debug names the ids only.
pub struct KeyRing {
    sealing: Vec<(String, KeyBytes)>,
    index: KeyBytes,
    audit: KeyBytes,
}

/// Where a sealed value belongs; it opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Kind of record.
    pub table: &'a str,
    /// Key of the record.
    pub row: &'a str,
    /// Field within the record.
    pub column: &'a str,
}

/// Why a value could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The ring has no key of the id the value names.
    UnknownKey,
    /// The value was altered, or belongs to another place.
    Altered,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SealError::UnknownKey => {
                "a stored secret names a key that the key ring lacks; restore the ring that sealed it"
            }
            SealError::Altered => "a stored secret was altered or moved; restore the record from a backup",
        })
    }
}

impl core::error::Error for SealError {}

impl KeyRing {
    /// Builds a ring from its keys; the last sealing key is the current one.
    pub fn new(sealing: Vec<(String, KeyBytes)>, index: KeyBytes, audit: KeyBytes) -> Option<KeyRing> {
        (!sealing.is_empty()).then_some(KeyRing {
            sealing,
            index,
            audit,
        })
    }

    /// The id of the key that seals anew.
    pub fn current(&self) -> &str {
        self.sealing.last().map_or("", |(id, _)| id)
    }

    /// Ids of all sealing keys, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.sealing.iter().map(|(id, _)| id.as_str())
    }

    /// Seals a secret for its place under the current key.
    pub fn seal(&self, secret: &[u8], place: Place<'_>, entropy: &mut dyn Entropy) -> Sealed {
        let (id, key) = self
            .sealing
            .last()
            .expect("a ring holds at least one sealing key, by construction");
        let mut nonce = [0u8; 24];
        entropy.fill(&mut nonce);
        let payload = Payload {
            msg: secret,
            aad: &place.bytes(id),
        };
        let ciphertext = cipher(key)
            .encrypt(&XNonce::from(nonce), payload)
            .expect("XChaCha20-Poly1305 refuses only messages beyond 256 GiB");
        Sealed {
            key: id.clone(),
            nonce,
            ciphertext,
        }
    }

    /// Opens a sealed secret in its place.
    ///
    /// # Errors
    /// [`SealError`]; there is no fallback.
    pub fn open(&self, sealed: &Sealed, place: Place<'_>) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, key) = self
            .sealing
            .iter()
            .find(|(id, _)| *id == sealed.key)
            .ok_or(SealError::UnknownKey)?;
        let payload = Payload {
            msg: &sealed.ciphertext,
            aad: &place.bytes(id),
        };
        let opened = cipher(key).decrypt(&XNonce::from(sealed.nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| SealError::Altered)
    }

    /// A keyed hash of something with too little entropy for a plain one: a name, an address, a backup code.
    ///
    /// The label keeps uses apart; each part is preceded by its length, so parts can't run into each other.
    pub fn index(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        keyed_hash(&self.index, label, parts)
    }

    /// A keyed hash under the audit key.
    pub fn audit(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        keyed_hash(&self.audit, label, parts)
    }

    /// What identifies this ring without giving anything of it away; stored beside the data it belongs to.
    pub fn fingerprint(&self) -> String {
        hex(&self.index("ring fingerprint", &[])[..8])
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

fn cipher(key: &KeyBytes) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&CipherKey::from(**key))
}

fn keyed_hash(key: &KeyBytes, label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&**key).expect("HMAC takes keys of every length");
    for part in core::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl Place<'_> {
    fn bytes(&self, key_id: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [self.table, self.row, self.column, key_id] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// A sealed secret: key id, nonce and ciphertext.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    key: String,
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// The id of the key it was sealed under.
    pub fn key_id(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(under {})", self.key)
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!(
            "{}.{}.{}",
            self.key,
            hex(&self.nonce),
            hex(&self.ciphertext)
        ))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Sealed, D::Error> {
        let text = String::deserialize(from)?;
        Sealed::parse(&text)
            .ok_or_else(|| de::Error::custom("a sealed value is `key.nonce.ciphertext` in hexadecimal"))
    }
}

impl Sealed {
    fn parse(text: &str) -> Option<Sealed> {
        let mut parts = text.splitn(3, '.');
        let key = String::from(parts.next()?);
        let nonce = crate::id::unhex(parts.next()?)?.try_into().ok()?;
        let ciphertext = crate::id::unhex(parts.next()?)?;
        Some(Sealed {
            key,
            nonce,
            ciphertext,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn ring(ids: &[(&str, u8)]) -> KeyRing {
        let sealing = ids
            .iter()
            .map(|(id, fill)| ((*id).into(), Zeroizing::new([*fill; 32])))
            .collect();
        KeyRing::new(sealing, Zeroizing::new([1; 32]), Zeroizing::new([2; 32])).expect("not empty")
    }

    const ALICE: Place<'static> = Place {
        table: "account",
        row: "alice",
        column: "secret",
    };

    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0u8;
        move |buffer: &mut [u8]| {
            buffer.iter_mut().for_each(|byte| {
                next = next.wrapping_add(1);
                *byte = next;
            })
        }
    }

    #[test]
    fn secret_opens_only_in_the_place_it_was_sealed_for() {
        let ring = ring(&[("k1", 9)]);
        let sealed = ring.seal(b"secret", ALICE, &mut counting());
        assert_eq!(
            ring.open(&sealed, ALICE).map(|s| s.to_vec()),
            Ok(b"secret".to_vec())
        );
        for place in [
            Place { row: "bob", ..ALICE },
            Place {
                table: "device",
                ..ALICE
            },
            Place {
                column: "other",
                ..ALICE
            },
        ] {
            assert_eq!(ring.open(&sealed, place), Err(SealError::Altered));
        }
    }

    #[test]
    fn old_keys_open_and_the_newest_seals() {
        let sealed = ring(&[("k1", 9)]).seal(b"secret", ALICE, &mut counting());
        let rotated = ring(&[("k1", 9), ("k2", 8)]);
        assert!(rotated.open(&sealed, ALICE).is_ok());
        assert_eq!(rotated.seal(b"secret", ALICE, &mut counting()).key_id(), "k2");
        assert_eq!(
            ring(&[("k2", 8)]).open(&sealed, ALICE),
            Err(SealError::UnknownKey)
        );
    }

    #[test]
    fn every_altered_byte_is_refused() {
        let ring = ring(&[("k1", 9)]);
        let sealed = ring.seal(b"secret", ALICE, &mut counting());
        for at in 0..sealed.ciphertext.len() {
            let mut altered = sealed.clone();
            altered.ciphertext[at] ^= 1;
            assert_eq!(ring.open(&altered, ALICE), Err(SealError::Altered));
        }
        let mut altered = sealed.clone();
        altered.nonce[0] ^= 1;
        assert_eq!(ring.open(&altered, ALICE), Err(SealError::Altered));
        let short = Sealed {
            ciphertext: vec![1, 2, 3],
            ..sealed
        };
        assert_eq!(ring.open(&short, ALICE), Err(SealError::Altered));
    }

    #[test]
    fn parts_of_a_keyed_hash_never_run_into_each_other() {
        let ring = ring(&[("k1", 9)]);
        assert_ne!(ring.index("l", &[b"ab", b"c"]), ring.index("l", &[b"a", b"bc"]));
        assert_ne!(ring.index("l", &[b"ab"]), ring.index("m", &[b"ab"]));
    }
}
