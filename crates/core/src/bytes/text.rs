//! A string in a fixed array.
//!
//! Knows: its bound. Must never know: what is written in it; whoever keeps a secret in it relies on it being
//! wiped on drop.

use core::fmt;
use core::ops::Deref;

use zeroize::Zeroize;

/// A UTF-8 string of at most `N` bytes, wiped on drop.
///
/// # Security
/// Debug prints only its length, since it carries secrets as often as not.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// The empty text.
    #[must_use]
    pub const fn new() -> Text<N> {
        Text {
            bytes: [0; N],
            len: 0,
        }
    }

    /// Appends one character; false, and nothing appended, when it does not fit.
    pub fn push(&mut self, character: char) -> bool {
        let mut buffer = [0u8; 4];
        self.push_str(character.encode_utf8(&mut buffer))
    }

    /// Appends a string; false, and nothing appended, when it does not fit.
    pub fn push_str(&mut self, text: &str) -> bool {
        let Some(room) = self.bytes.get_mut(self.len..self.len + text.len()) else {
            return false;
        };
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        true
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).expect("only whole strings are ever appended")
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Text<N> {
        Text::new()
    }
}

impl<const N: usize> Clone for Text<N> {
    fn clone(&self) -> Text<N> {
        Text {
            bytes: self.bytes,
            len: self.len,
        }
    }
}

impl<const N: usize> PartialEq for Text<N> {
    fn eq(&self, other: &Text<N>) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<const N: usize> Eq for Text<N> {}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.len)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.push_str(text) {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

impl<const N: usize> Drop for Text<N> {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_takes_what_fits_and_nothing_of_what_does_not() {
        let mut text = Text::<4>::new();
        assert!(text.push_str("ab"));
        assert!(!text.push_str("cde"));
        assert!(text.push('é'));
        assert!(!text.push('x'));
        assert_eq!(&*text, "abé");
    }
}
