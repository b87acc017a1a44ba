//! Base32 as authenticators spell secrets (RFC 4648 §6), into the caller's own memory.
//!
//! Knows: the alphabet, and which spellings people produce: lower case, groups, missing padding. Must never
//! know: that the bytes are secret; the caller wipes its buffer.

use core::fmt;

/// Why a text is not Base32, and at which byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base32Error {
    /// A character outside A–Z and 2–7, or one after the padding began.
    Character {
        /// Byte position in the text.
        at: usize,
    },
    /// The number of characters can't come from whole bytes (1, 3 or 6 beyond a multiple of 8), or the
    /// padding is not the one that belongs to it.
    Length,
    /// The last character carries bits that belong to no byte.
    TrailingBits,
    /// The bytes do not fit into the buffer.
    TooLong,
}

impl fmt::Display for Base32Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Base32Error::Character { at } => {
                write!(
                    f,
                    "the character at byte {at} is not Base32; only A-Z and 2-7 are (no 0, 1, 8 or 9)"
                )
            }
            Base32Error::Length => f.write_str("the text is cut short or has wrong padding; copy it whole"),
            Base32Error::TrailingBits => {
                f.write_str("the last character can't stand there; copy the text whole")
            }
            Base32Error::TooLong => f.write_str("the text is longer than a secret can be"),
        }
    }
}

impl core::error::Error for Base32Error {}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Decodes into `out` and returns how many bytes were written. Spaces and hyphens are skipped, case does not
/// matter, and padding may be missing but not wrong.
///
/// # Errors
/// [`Base32Error`]; `out` then holds nothing of use.
pub fn parse(text: &str, out: &mut [u8]) -> Result<usize, Base32Error> {
    let (mut bits, mut held, mut written) = (0u32, 0u32, 0usize);
    let (mut characters, mut padding) = (0usize, 0usize);
    for (at, byte) in text.bytes().enumerate() {
        let value = match byte {
            b' ' | b'-' | b'\t' | b'\r' | b'\n' => continue,
            b'=' => {
                padding += 1;
                continue;
            }
            _ if padding > 0 => return Err(Base32Error::Character { at }),
            _ => value(byte).ok_or(Base32Error::Character { at })?,
        };
        characters += 1;
        bits = bits << 5 | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            *out.get_mut(written).ok_or(Base32Error::TooLong)? = (bits >> held) as u8;
            written += 1;
            bits &= (1 << held) - 1;
        }
    }
    let padding_due = match characters % 8 {
        0 => 0,
        2 => 6,
        4 => 4,
        5 => 3,
        7 => 1,
        _ => return Err(Base32Error::Length),
    };
    if padding != 0 && padding != padding_due {
        return Err(Base32Error::Length);
    }
    if bits != 0 {
        return Err(Base32Error::TrailingBits);
    }
    Ok(written)
}

/// Writes upper-case Base32 without padding.
///
/// # Errors
/// That of the writer, when the text does not fit.
pub fn emit(bytes: &[u8], out: &mut dyn fmt::Write) -> fmt::Result {
    for chunk in bytes.chunks(5) {
        let mut five = [0u8; 5];
        five[..chunk.len()].copy_from_slice(chunk);
        let bits = five.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        for at in 0..(chunk.len() * 8).div_ceil(5) {
            let index = (bits >> (35 - 5 * at)) & 31;
            out.write_char(char::from(ALPHABET[index as usize]))?;
        }
    }
    Ok(())
}

fn value(character: u8) -> Option<u8> {
    match character.to_ascii_uppercase() {
        letter @ b'A'..=b'Z' => Some(letter - b'A'),
        digit @ b'2'..=b'7' => Some(digit - b'2' + 26),
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
    let mut spelt = super::Text::<512>::new();
    emit(&bytes[..len], &mut spelt).expect("256 bytes are 410 characters");
    let mut again = [0u8; 256];
    assert_eq!(parse(&spelt, &mut again), Ok(len));
    assert_eq!(bytes[..len], again[..len]);
}
