//! The files under `vectors`, as the build script wrote them down, read field by field.
//!
//! Knows how values are spelt. Must never know what a field means beyond its type.

use core::fmt;
use core::str::FromStr;

use countersign_core::otp::{Algorithm, Code, Digits, SharedSecret, Totp};
use countersign_core::time::{TimeStep, UnixSeconds};

/// A file of vectors.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) cases: &'static [Case],
}

/// One case: names of fields and what they hold, both as texts.
pub(crate) struct Case(&'static [(&'static str, &'static str)]);

/// All files.
pub(crate) static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/vectors.rs"));

/// Bytes that were spelt in hexadecimal.
pub(crate) struct Bytes {
    bytes: [u8; 128],
    len: usize,
}

impl core::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Case {
    pub(crate) fn text(&self, field: &str) -> Option<&'static str> {
        self.0
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, value)| *value)
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.text(field).is_some()
    }

    pub(crate) fn number<T: FromStr>(&self, field: &str) -> Option<T> {
        self.text(field)?.parse().ok()
    }

    pub(crate) fn bytes(&self, field: &str) -> Option<Bytes> {
        let mut read = Bytes {
            bytes: [0; 128],
            len: 0,
        };
        for pair in self.text(field)?.as_bytes().chunks(2) {
            let pair = core::str::from_utf8(pair).ok()?;
            *read.bytes.get_mut(read.len)? = u8::from_str_radix(pair, 16).ok()?;
            read.len += 1;
        }
        Some(read)
    }

    pub(crate) fn secret(&self) -> Option<SharedSecret> {
        SharedSecret::from_bytes(&self.bytes("secret_hex")?).ok()
    }

    pub(crate) fn algorithm(&self, field: &str) -> Option<Algorithm> {
        self.number(field)
    }

    pub(crate) fn digits(&self, field: &str) -> Option<Digits> {
        Digits::new(self.number(field)?)
    }

    pub(crate) fn code(&self, field: &str) -> Option<Code> {
        Code::parse_strict(self.text(field)?, self.digits("digits")?).ok()
    }

    pub(crate) fn totp(&self) -> Option<Totp> {
        Some(Totp {
            algorithm: self.algorithm("algorithm")?,
            digits: self.digits("digits")?,
            time_step: TimeStep::new(self.number("time_step")?)?,
            t0: UnixSeconds(self.number("t0").unwrap_or(0)),
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, value)| write!(f, "{name}={value} "))
    }
}
