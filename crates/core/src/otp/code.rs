//! A one-time code as it is presented, in the one form in which codes are compared.
//!
//! Knows: which texts are codes. Must never know: which code would be right. Whatever is not plain ASCII
//! digits is refused here, before any secret is touched, so that no second spelling of a used code exists.

use core::fmt;

use super::Digits;

/// Longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// A one-time code of 6 to 8 digits.
///
/// # Security
/// Debug prints nothing of it; Display prints it, for the prover's screen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code {
    value: u32,
    digits: Digits,
}

/// Why a text is not a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeFormatError {
    /// Nothing is left after dropping what may be dropped.
    Empty,
    /// It holds something that is not an ASCII digit.
    Character,
    /// It has another number of digits.
    Length {
        /// How many were found.
        found: usize,
    },
    /// It is longer than any code with its spaces.
    TooLong,
}

impl fmt::Display for CodeFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodeFormatError::Empty => f.write_str("the code is empty"),
            CodeFormatError::Character => f.write_str("a code is made of the digits 0 to 9 alone"),
            CodeFormatError::Length { found } => {
                write!(f, "the code has {found} digits, which is the wrong number")
            }
            CodeFormatError::TooLong => f.write_str("the text is too long for a code"),
        }
    }
}

impl core::error::Error for CodeFormatError {}

impl Code {
    pub(super) fn from_value(value: u32, digits: Digits) -> Code {
        Code { value, digits }
    }

    /// Reads a code as people type it: spaces, hyphens and one trailing line end are dropped, then only ASCII
    /// digits of the right number remain.
    ///
    /// # Errors
    /// [`CodeFormatError`] for everything else: other scripts' digits, signs, invisible characters, another
    /// length.
    pub fn parse(text: &str, digits: Digits) -> Result<Code, CodeFormatError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(CodeFormatError::TooLong);
        }
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        Code::from_digits(line.bytes().filter(|byte| !matches!(byte, b' ' | b'-')), digits)
    }

    /// Reads a code from a machine: exactly the digits and nothing else.
    ///
    /// # Errors
    /// [`CodeFormatError`].
    pub fn parse_strict(text: &str, digits: Digits) -> Result<Code, CodeFormatError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(CodeFormatError::TooLong);
        }
        Code::from_digits(text.bytes(), digits)
    }

    fn from_digits(bytes: impl Iterator<Item = u8>, digits: Digits) -> Result<Code, CodeFormatError> {
        let (mut value, mut found) = (0u32, 0usize);
        for byte in bytes {
            if !byte.is_ascii_digit() {
                return Err(CodeFormatError::Character);
            }
            found += 1;
            // Wraps only beyond nine digits, and then the count refuses the text.
            value = value.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
        }
        match found {
            0 => Err(CodeFormatError::Empty),
            _ if found != usize::from(digits.count()) => Err(CodeFormatError::Length { found }),
            _ => Ok(Code { value, digits }),
        }
    }

    pub(super) fn value(&self) -> u32 {
        self.value
    }

    /// How many digits it has.
    #[must_use]
    pub fn digits(&self) -> Digits {
        self.digits
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:0width$}",
            self.value,
            width = usize::from(self.digits.count())
        )
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} digits)", self.digits.count())
    }
}

/// For fuzzing: whatever is accepted prints as digits that are accepted again as the same code.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    use core::fmt::Write;
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    for digits in [Digits::SIX, Digits::SEVEN, Digits::EIGHT] {
        let Ok(code) = Code::parse(text, digits) else {
            continue;
        };
        let mut spelt = crate::bytes::Text::<8>::new();
        write!(spelt, "{code}").expect("a code has at most eight digits");
        assert_eq!(spelt.len(), usize::from(digits.count()));
        assert_eq!(Code::parse_strict(&spelt, digits), Ok(code));
    }
}
