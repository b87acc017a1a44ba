//! Base64 (RFC 4648 §4 and §5), into the caller's own memory.
//!
//! Knows: both alphabets, and that files break lines and links drop padding. Must never know: that the bytes
//! are secret; the caller wipes its buffer.

use core::fmt;

/// Why a text is not Base64, and at which byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base64Error {
    /// A character outside both alphabets, or one after the padding began.
    Character {
        /// Byte position in the text.
        at: usize,
    },
    /// The number of characters can't come from whole bytes, or the padding is not the one that belongs to it.
    Length,
    /// The last character carries bits that belong to no byte.
    TrailingBits,
    /// The bytes do not fit into the buffer.
    TooLong,
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Base64Error::Character { at } => write!(f, "the character at byte {at} is not Base64"),
            Base64Error::Length => f.write_str("the text is cut short or has wrong padding; copy it whole"),
            Base64Error::TrailingBits => {
                f.write_str("the last character can't stand there; copy the text whole")
            }
            Base64Error::TooLong => f.write_str("the text is longer than what it may carry"),
        }
    }
}

impl core::error::Error for Base64Error {}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes into `out` and returns how many bytes were written. White space is skipped, both alphabets are read,
/// and padding may be missing but not wrong.
///
/// # Errors
/// [`Base64Error`]; `out` then holds nothing of use.
pub fn parse(text: &str, out: &mut [u8]) -> Result<usize, Base64Error> {
    let (mut bits, mut held, mut written) = (0u32, 0u32, 0usize);
    let (mut characters, mut padding) = (0usize, 0usize);
    for (at, byte) in text.bytes().enumerate() {
        let value = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'=' => {
                padding += 1;
                continue;
            }
            _ if padding > 0 => return Err(Base64Error::Character { at }),
            _ => value(byte).ok_or(Base64Error::Character { at })?,
        };
        characters += 1;
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            *out.get_mut(written).ok_or(Base64Error::TooLong)? = (bits >> held) as u8;
            written += 1;
            bits &= (1 << held) - 1;
        }
    }
    let padding_due = match characters % 4 {
        0 => 0,
        2 => 2,
        3 => 1,
        _ => return Err(Base64Error::Length),
    };
    if padding != 0 && padding != padding_due {
        return Err(Base64Error::Length);
    }
    if bits != 0 {
        return Err(Base64Error::TrailingBits);
    }
    Ok(written)
}

/// Decodes what programs write for each other (RFC 7515 §2): the alphabet of §5 alone, no padding, no white space, so
/// that bytes have one spelling.
///
/// # Errors
/// [`Base64Error`]; `out` then holds nothing of use.
pub fn parse_url(text: &str, out: &mut [u8]) -> Result<usize, Base64Error> {
    let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match text.bytes().position(|byte| !is_ours(byte)) {
        Some(at) => Err(Base64Error::Character { at }),
        None => parse(text, out),
    }
}

/// The four characters of one to three bytes, with padding.
pub fn quartet(bytes: &[u8]) -> [char; 4] {
    let mut three = [0u8; 3];
    three[..bytes.len()].copy_from_slice(bytes);
    let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
    core::array::from_fn(|at| {
        if at > bytes.len() {
            return '=';
        }
        let index = bits >> (18 - 6 * at) & 63;
        char::from(ALPHABET[index as usize])
    })
}

fn value(character: u8) -> Option<u8> {
    match character {
        letter @ b'A'..=b'Z' => Some(letter - b'A'),
        letter @ b'a'..=b'z' => Some(letter - b'a' + 26),
        digit @ b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// For fuzzing: whatever is accepted comes back from its own spelling.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let mut bytes = [0u8; 256];
    let Ok(len) = parse(text, &mut bytes) else { return };
    let mut spelt = super::Text::<344>::new();
    for three in bytes[..len].chunks(3) {
        assert!(quartet(three).into_iter().all(|character| spelt.push(character)));
    }
    let mut again = [0u8; 256];
    assert_eq!(parse(&spelt, &mut again), Ok(len));
    assert_eq!(bytes[..len], again[..len]);
}
