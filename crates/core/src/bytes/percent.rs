//! Percent-encoding (RFC 3986 §2.1), as otpauth URIs carry names.
//!
//! Knows: which characters stand for themselves. Must never know: which part of a URI it reads; the caller
//! splits first.

use core::fmt;

use zeroize::Zeroizing;

use super::Text;

/// Writes every byte that is not unreserved (RFC 3986 §2.3) as `%` and two digits.
pub(crate) fn emit(text: &str, out: &mut dyn fmt::Write) -> fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.write_char(char::from(byte))?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// Decodes a part of a path; none when an escape is cut short, the bytes are not UTF-8 or do not fit.
pub(crate) fn parse_path<const N: usize>(text: &str) -> Option<Text<N>> {
    decode(text, b'+')
}

/// Decodes a value of a query, in which forms write a space as `+`.
pub(crate) fn parse_query<const N: usize>(text: &str) -> Option<Text<N>> {
    decode(text, b' ')
}

fn decode<const N: usize>(text: &str, plus: u8) -> Option<Text<N>> {
    let mut decoded = Zeroizing::new([0u8; N]);
    let mut written = 0;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        *decoded.get_mut(written)? = match byte {
            b'%' => hexadecimal(bytes.next()?)? << 4 | hexadecimal(bytes.next()?)?,
            b'+' => plus,
            byte => byte,
        };
        written += 1;
    }
    let mut whole = Text::new();
    whole
        .push_str(core::str::from_utf8(&decoded[..written]).ok()?)
        .then_some(whole)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_from_its_escapes() {
        for text in ["", "a b@x.org", "100%+1", "Grüße 🙂", "-._~", "a&b=c?d#e/f:g"] {
            let mut escaped = Text::<128>::new();
            emit(text, &mut escaped).expect("the escapes fit");
            assert!(
                escaped
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte))
            );
            assert_eq!(parse_path::<64>(&escaped).as_deref(), Some(text));
            assert_eq!(parse_query::<64>(&escaped).as_deref(), Some(text));
        }
    }

    #[test]
    fn plus_is_a_space_in_a_query_alone() {
        assert_eq!(parse_query::<8>("a+b").as_deref(), Some("a b"));
        assert_eq!(parse_path::<8>("a+b").as_deref(), Some("a+b"));
    }

    #[test]
    fn broken_escapes_and_broken_utf8_are_refused() {
        for text in ["%", "%4", "%4x", "%x4", "%+4", "%FF", "%C3", "%C3%28"] {
            assert_eq!(parse_path::<8>(text), None, "{text}");
        }
    }

    #[test]
    fn text_longer_than_its_room_is_refused() {
        assert_eq!(parse_path::<4>("%41%41%41%41").as_deref(), Some("AAAA"));
        assert_eq!(parse_path::<4>("AAAAA"), None);
    }
}
