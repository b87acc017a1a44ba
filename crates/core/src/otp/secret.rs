//! The shared secret K.
//!
//! Knows: its bounds, its spelling and whether it is one that attackers know. Must never know: whose it is.

use core::fmt;

use zeroize::Zeroize;

use crate::bytes::{Text, base32};

/// Most bytes of a shared secret: the block of SHA-512, beyond which HMAC would hash it first.
pub const SECRET_BYTES_MAX: usize = 128;

/// A shared secret K of 1 to 128 bytes (RFC 6238 §4.1).
///
/// # Security
/// Wiped on drop. Debug prints its length alone. It can be copied only by exposing it.
pub struct SharedSecret {
    bytes: [u8; SECRET_BYTES_MAX],
    len: usize,
}

/// Why bytes or a text can't be a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// There is nothing.
    Empty,
    /// More than [`SECRET_BYTES_MAX`] bytes.
    TooLong,
    /// The text is not Base32.
    Base32(base32::Base32Error),
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::Empty => f.write_str("the secret is empty"),
            SecretError::TooLong => f.write_str("the secret is longer than 128 bytes"),
            SecretError::Base32(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SecretError {}

/// How well a secret resists being guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretStrength {
    /// It stands in documents, or is one byte repeated; attackers have it.
    Sample,
    /// Below 80 bits: never accepted.
    Short,
    /// 80 to 127 bits: imported with a warning, below what RFC 4226 §4 R6 demands.
    Weak,
    /// 128 to 159 bits: what RFC 4226 §4 R6 demands.
    Acceptable,
    /// 160 bits and more: what RFC 4226 §4 R6 recommends.
    Recommended,
}

/// Secrets printed in standards and in the documents of older systems.
const SAMPLES: [&[u8]; 6] = [
    b"Hello!\xDE\xAD\xBE\xEF",
    b"12345678901234567890",
    b"12345678901234567890123456789012",
    b"1234567890123456789012345678901234567890123456789012345678901234",
    b"ALICE_SECRET_KEY_12345",
    b"BOB_SECRET_KEY_67890",
];

impl SharedSecret {
    /// Takes 1 to 128 bytes.
    ///
    /// # Errors
    /// [`SecretError::Empty`] or [`SecretError::TooLong`].
    pub fn from_bytes(bytes: &[u8]) -> Result<SharedSecret, SecretError> {
        if bytes.is_empty() {
            return Err(SecretError::Empty);
        }
        let mut secret = SharedSecret {
            bytes: [0; SECRET_BYTES_MAX],
            len: bytes.len(),
        };
        secret
            .bytes
            .get_mut(..bytes.len())
            .ok_or(SecretError::TooLong)?
            .copy_from_slice(bytes);
        Ok(secret)
    }

    /// Reads Base32 as people copy it; see [`base32::parse`].
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn from_base32(text: &str) -> Result<SharedSecret, SecretError> {
        let mut secret = SharedSecret {
            bytes: [0; SECRET_BYTES_MAX],
            len: 0,
        };
        secret.len = base32::parse(text, &mut secret.bytes).map_err(|error| match error {
            base32::Base32Error::TooLong => SecretError::TooLong,
            error => SecretError::Base32(error),
        })?;
        if secret.len == 0 {
            Err(SecretError::Empty)
        } else {
            Ok(secret)
        }
    }

    /// The bytes, for the HMAC and for sealing.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// What of it counts as a key: the bytes without the zero bytes at their end, which HMAC fills a key up with to its
    /// hash's block (RFC 2104 §2). Two secrets no longer than that block show the same codes exactly if these bytes are
    /// the same.
    ///
    /// # Security
    /// Whoever tells secrets apart by anything else takes one for two, and accepts each of its codes twice.
    #[must_use]
    pub fn canonical(&self) -> &[u8] {
        let bytes = self.expose();
        let end = bytes.iter().rposition(|byte| *byte != 0);
        end.map_or(&[], |last| &bytes[..=last])
    }

    /// Upper-case Base32 without padding; wiped on drop.
    #[must_use]
    pub fn to_base32(&self) -> Text<208> {
        let mut text = Text::new();
        base32::emit(self.expose(), &mut text).expect("128 bytes are 205 characters of Base32");
        text
    }

    /// How well it resists being guessed.
    #[must_use]
    pub fn strength(&self) -> SecretStrength {
        let canonical = self.canonical();
        let is_repeated = canonical.iter().all(|byte| *byte == canonical[0]);
        // One zero byte at the end is chance; several fill a short secret up.
        let len = match self.len - canonical.len() {
            0 | 1 => self.len,
            _ => canonical.len(),
        };
        match len * 8 {
            _ if is_repeated || SAMPLES.contains(&canonical) => SecretStrength::Sample,
            0..80 => SecretStrength::Short,
            80..128 => SecretStrength::Weak,
            128..160 => SecretStrength::Acceptable,
            _ => SecretStrength::Recommended,
        }
    }
}

impl Drop for SharedSecret {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedSecret({} bytes)", self.len)
    }
}
