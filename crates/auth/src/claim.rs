//! Claims: what applications are told of a person beside the name, and the words that claims and groups are made of.
//!
//! Knows: the types and bounds of values, and the names that mean something else already. Must never know: what an
//! application makes of a claim, or how one is spelt in a token.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// Longest name of a claim or group, in characters.
pub const WORD_CHARS_MAX: usize = 64;
/// Longest text of a claim, in characters.
pub const TEXT_CHARS_MAX: usize = 256;
/// Most claims of one account.
pub const CLAIMS_MAX: usize = 32;
/// Greatest magnitude of an integer: what every reader of JSON reads exactly (RFC 7493 §2.2).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// Names that a token or an introspection gives a meaning of their own; docs/protocol/tokens.md lists them.
pub const RESERVED: [&str; 22] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "jti",
    "sid",
    "auth_time",
    "acr",
    "session_acr",
    "amr",
    "elevated",
    "elevation_time",
    "elevated_until",
    "purpose",
    "groups",
    "nbf",
    "scope",
    "client_id",
    "username",
    "active",
    "token_type",
];

/// An account's own claims by their names.
pub type Claims = BTreeMap<String, ClaimValue>;

/// The value of a claim. Values of two types are never equal: `"true"` is not `true`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClaimValue {
    /// True or false.
    Bool(bool),
    /// A whole number, at most [`INTEGER_MAX`] in magnitude.
    Integer(i64),
    /// A text of at most [`TEXT_CHARS_MAX`] characters, none of them a control character.
    Text(String),
}

/// As people read it: a text stands in quotation marks.
impl fmt::Display for ClaimValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClaimValue::Bool(truth) => truth.fmt(f),
            ClaimValue::Integer(number) => number.fmt(f),
            ClaimValue::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Why there can't be such a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimError {
    /// The name is no word.
    Name,
    /// The name is one of [`RESERVED`].
    Reserved,
    /// The integer is out of bounds.
    Integer,
    /// The text is too long, or holds a control character.
    Text,
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClaimError::Name => "a claim's name has 1 to 64 characters out of A-Z a-z 0-9 _ . : -",
            ClaimError::Reserved => "the name means something else in a token; choose another",
            ClaimError::Integer => {
                "the number is beyond 2^53 - 1, which not every reader reads; give it as a text"
            }
            ClaimError::Text => "the text is longer than 256 characters or holds a control character",
        })
    }
}

impl core::error::Error for ClaimError {}

/// Whether a text is a word as claims and groups are named by: it can stand in a header between commas.
pub fn is_word(text: &str) -> bool {
    let is_word_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    (1..=WORD_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_word_byte)
}

/// Says why there can't be a claim of this name and value.
///
/// # Errors
/// [`ClaimError`].
pub fn check(name: &str, value: &ClaimValue) -> Result<(), ClaimError> {
    if !is_word(name) {
        return Err(ClaimError::Name);
    }
    if RESERVED.contains(&name) {
        return Err(ClaimError::Reserved);
    }
    match value {
        ClaimValue::Integer(number) if number.unsigned_abs() > INTEGER_MAX.unsigned_abs() => {
            Err(ClaimError::Integer)
        }
        ClaimValue::Text(text)
            if text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) =>
        {
            Err(ClaimError::Text)
        }
        _ => Ok(()),
    }
}
