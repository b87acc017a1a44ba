//! The name of an account, in the one spelling under which it is stored, looked up, throttled and audited.
//!
//! Knows: that a name has been mapped and bounded. Must never know: how other scripts are mapped; the server
//! does that (RFC 8265 UsernameCaseMapped) and hands the result in, while a microcontroller has
//! [`Name::from_ascii`].

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// The longest name in bytes after mapping.
pub const NAME_BYTES_MAX: usize = 128;

/// A mapped account name: two spellings of one name are one value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

/// Why a text can't be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing is left after trimming.
    Empty,
    /// It is longer than [`NAME_BYTES_MAX`] bytes.
    TooLong,
    /// It holds a character that a name can't hold (RFC 8265 §3.3: spaces, controls, symbols outside the
    /// identifier class).
    Character,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("the name is empty; give one of 1 to 128 bytes"),
            NameError::TooLong => f.write_str("the name is longer than 128 bytes; give a shorter one"),
            NameError::Character => f.write_str(
                "the name holds a character that names can't have; use letters, digits, '.', '-', '_', '@'",
            ),
        }
    }
}

impl core::error::Error for NameError {}

impl Name {
    /// Takes a text that the caller has already mapped by RFC 8265 UsernameCaseMapped.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long or holds white space or a control character.
    pub fn from_mapped(mapped: String) -> Result<Name, NameError> {
        match mapped.len() {
            0 => Err(NameError::Empty),
            len if len > NAME_BYTES_MAX => Err(NameError::TooLong),
            _ if mapped.chars().any(|c| c.is_control() || c.is_whitespace()) => Err(NameError::Character),
            _ => Ok(Name(mapped)),
        }
    }

    /// Trims and lower-cases an ASCII name; the mapping of a machine without Unicode tables.
    ///
    /// # Errors
    /// [`NameError`], also for every character outside ASCII.
    pub fn from_ascii(text: &str) -> Result<Name, NameError> {
        let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
        if !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NameError::Character);
        }
        Name::from_mapped(trimmed.to_ascii_lowercase())
    }

    /// The mapped text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn spellings_of_one_ascii_name_are_one_value() {
        assert_eq!(Name::from_ascii(" Alice\n"), Name::from_ascii("alice"));
        assert_eq!(
            Name::from_ascii("alice").map(|name| name.to_string()),
            Ok("alice".to_string())
        );
    }

    #[test]
    fn name_is_refused_when_empty_long_or_with_a_foreign_character() {
        assert_eq!(Name::from_ascii("  "), Err(NameError::Empty));
        assert_eq!(Name::from_ascii(&"a".repeat(129)), Err(NameError::TooLong));
        assert!(Name::from_ascii(&"a".repeat(128)).is_ok());
        assert_eq!(Name::from_ascii("a b"), Err(NameError::Character));
        assert_eq!(
            Name::from_mapped("a\u{200b}\u{7}".into()),
            Err(NameError::Character)
        );
    }
}
