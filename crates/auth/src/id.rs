//! Bearer tokens and the hashed identifiers under which their records are kept.
//!
//! Knows: how a token is made, spelt and hashed. Must never know: what a token opens; that is the record's
//! business. A token leaves the server once, in the answer that creates it; only its digest is ever stored.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::rule::Entropy;

/// A 256-bit bearer token, spelt as 64 lower-case hexadecimal digits.
///
/// # Security
/// Debug prints nothing of it; the memory is wiped on drop. Look it up by [`Token::digest`], never by its
/// text.
#[derive(PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Draws a fresh token.
    pub fn draw(entropy: &mut dyn Entropy) -> Token {
        let mut bytes = Zeroizing::new([0u8; 32]);
        entropy.fill(&mut *bytes);
        Token(Zeroizing::new(hex(&*bytes)))
    }

    /// The text that goes to its holder, once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The identifier under which the token's record is stored.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl Clone for Token {
    fn clone(&self) -> Token {
        Token(self.0.clone())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A session's bearer token, spelt as 96 lower-case hexadecimal digits: the session's handle of 128 bits, which stays,
/// and a key of 256 bits, which is replaced.
///
/// # Security
/// As [`Token`]. The handle finds the session's record and opens nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(Zeroizing<String>);

/// Digits of a handle in a session's token.
const HANDLE_DIGITS: usize = 32;
/// Digits of a session's token.
const SESSION_TOKEN_DIGITS: usize = HANDLE_DIGITS + 64;

impl SessionToken {
    /// Draws the token of a new session.
    pub fn draw(entropy: &mut dyn Entropy) -> SessionToken {
        let mut bytes = [0u8; HANDLE_DIGITS / 2];
        entropy.fill(&mut bytes);
        SessionToken::renew(&hex(&bytes), entropy)
    }

    /// Draws another key to the session of a handle.
    pub fn renew(handle: &str, entropy: &mut dyn Entropy) -> SessionToken {
        let mut bytes = Zeroizing::new([0u8; 32]);
        entropy.fill(&mut *bytes);
        let key = Zeroizing::new(hex(&*bytes));
        SessionToken(Zeroizing::new([handle, &key].concat()))
    }

    /// The text that goes to its holder, once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The session's handle.
    pub fn handle(&self) -> &str {
        &self.0[..HANDLE_DIGITS]
    }

    /// The identifier under which the session's record is stored.
    pub fn digest(&self) -> Digest {
        Digest::of(self.handle())
    }

    /// What the session keeps of this key to it.
    pub fn key(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// A token for programs, spelt as `cs_api_` and 64 lower-case hexadecimal digits; scanners for secrets know it by that.
///
/// # Security
/// As [`Token`].
#[derive(Clone, PartialEq, Eq)]
pub struct ApiTokenText(Zeroizing<String>);

/// What a token for programs begins with.
const API_TOKEN_PREFIX: &str = "cs_api_";

impl ApiTokenText {
    /// Draws a fresh token.
    pub fn draw(entropy: &mut dyn Entropy) -> ApiTokenText {
        let token = Token::draw(entropy);
        ApiTokenText(Zeroizing::new([API_TOKEN_PREFIX, token.expose()].concat()))
    }

    /// The text that goes to its holder, once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The identifier under which the token's record is stored.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The identifier of what was presented; none unless it has such a token's shape.
    pub fn presented(text: &str) -> Option<Digest> {
        let digits = text.strip_prefix(API_TOKEN_PREFIX)?;
        (digits.len() == 64 && is_lower_hexadecimal(digits)).then(|| Digest::of(text))
    }
}

impl fmt::Debug for ApiTokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiTokenText(…)")
    }
}

/// What a client presented as a session's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The session it names.
    pub session: Digest,
    /// The key it shows for it.
    pub key: Digest,
}

impl Presented {
    /// Reads what was presented; none unless it has a token's shape.
    pub fn of(text: &str) -> Option<Presented> {
        let has_shape = text.len() == SESSION_TOKEN_DIGITS && is_lower_hexadecimal(text);
        has_shape.then(|| Presented {
            session: Digest::of(&text[..HANDLE_DIGITS]),
            key: Digest::of(text),
        })
    }
}

/// The SHA-256 of a presented token: what records are keyed by.
///
/// # Security
/// A token carries 256 bits, so its plain hash can't be searched; looking up by digest leaks no prefix of the
/// token by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes whatever a client presented. Any text has a digest; only a real token's digest has a record.
    pub fn of(presented: &str) -> Digest {
        Digest(Sha256::digest(presented.as_bytes()).into())
    }

    /// Whether both are one, compared without telling where they differ.
    pub fn is(&self, other: &Digest) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Reads back the 64 hexadecimal digits that [`fmt::Display`] prints.
    pub fn parse(text: &str) -> Option<Digest> {
        Some(Digest(unhex(text)?.try_into().ok()?))
    }

    /// The first eight hexadecimal digits: enough to tell records apart in a list or the audit, useless as a
    /// token.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(from)?;
        Digest::parse(&text).ok_or_else(|| de::Error::custom("a digest is 64 hexadecimal digits"))
    }
}

fn is_lower_hexadecimal(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Reads lower-case hexadecimal of an even number of digits.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let byte = |pair: &[u8]| Some(nibble(*pair.first()?)? << 4 | nibble(*pair.get(1)?)?);
    digits.chunks(2).map(byte).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
