//! Where a person is led after a form, when the address they came by says where: a path of this very host.
//!
//! Knows: which texts are such paths. Must never know: what stands there. Nothing else is ever followed, so no link to
//! us leads anybody to another site; a protected host is reached by a path of ours that hands on to it.

use crate::service::rules::{OWN_PREFIX, Target};

/// Longest path in bytes.
const BYTES_MAX: usize = 2048;
/// Where everything else leads.
const HOME: &str = "/account";

/// A path of this host, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination(String);

impl Destination {
    /// The path that a text is; home, when it is none.
    pub(super) fn of(text: &str) -> Destination {
        let path = if is_own_path(text) { text } else { HOME };
        Destination(path.to_owned())
    }

    pub(super) fn path(&self) -> &str {
        &self.0
    }
}

/// Whether a browser takes the text for a path of the host it is on. Some take `\` for `/`, and drop control
/// characters before they look.
fn is_own_path(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    text.len() <= BYTES_MAX && text.starts_with('/') && !text.starts_with("//") && text.bytes().all(is_plain)
}

/// The address of a page of ours with what it is told in its query.
pub(super) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let told = query.iter().filter(|(_, value)| !value.is_empty());
    let told: Vec<String> = told
        .map(|(name, value)| format!("{name}={}", spelt(value, "/")))
        .collect();
    if told.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", told.join("&"))
}

/// For fuzzing: whatever a link to us says, nobody is led to another site by it, here or at a protected host.
pub(super) fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let here = Destination::of(&text);
    assert!(stays(here.path()), "{:?} leads elsewhere", here.path());
    let Ok(there) = Target::parse(&text) else {
        return;
    };
    assert!(stays(there.as_str()), "{:?} leads elsewhere", there.as_str());
    assert_eq!(there.as_str(), text, "it is taken as it is, or not at all");
    let is_own = there.as_str().starts_with(OWN_PREFIX);
    assert!(!is_own, "{:?} leads to our own pages", there.as_str());
}

/// Whether a browser that is at a host stays there when it follows a text: it drops blanks and control characters at
/// the front, tabs and line ends anywhere, and takes `\` for `/` (WHATWG URL §4.4).
fn stays(text: &str) -> bool {
    let read: String = text
        .trim_start_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect();
    read.starts_with('/') && !read.starts_with("//") && read == text
}

/// One segment of a path, whatever it holds.
pub(super) fn segment(text: &str) -> String {
    spelt(text, "")
}

/// A text with everything escaped that means something in an address (RFC 3986 §2.3), but for what is kept.
fn spelt(text: &str, kept: &str) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.as_bytes().contains(&byte);
    let spelt = text.bytes().map(|byte| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    spelt.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_is_a_path_of_this_host_or_home() {
        let longest = format!("/{}", "a".repeat(BYTES_MAX - 1));
        for own in [
            "/",
            "/account",
            "/for?host=a.example&to=%2Fx",
            "/a//b#c",
            &longest,
        ] {
            assert_eq!(Destination::of(own).path(), own);
        }
        let too_long = format!("{longest}a");
        for other in [
            "",
            "account",
            "//elsewhere.example",
            "/\\elsewhere.example",
            "\\\\elsewhere.example",
            "https://elsewhere.example/",
            "/\t/elsewhere.example",
            "/\r\nset-cookie: a=b",
            " /account",
            "/a b",
            "/caf\u{e9}",
            "javascript:alert(1)",
            &too_long,
        ] {
            assert_eq!(Destination::of(other).path(), HOME, "{other:?}");
        }
    }

    #[test]
    fn text_that_browsers_read_as_another_site_is_found_to_be_one() {
        for elsewhere in [
            "//a.example",
            "/\\a.example",
            "\t//a.example",
            "/\t/a.example",
            "https://a.example/",
            "a",
        ] {
            assert!(!stays(elsewhere), "{elsewhere:?}");
        }
        assert!(stays("/a?b=//c"));
    }

    #[test]
    fn address_spells_what_it_is_told() {
        let spelt = address(
            "/step-up",
            &[("to", "/a?b=c&d"), ("purpose", "pay 5 \u{20ac}"), ("x", "")],
        );
        assert_eq!(spelt, "/step-up?to=/a%3Fb%3Dc%26d&purpose=pay%205%20%E2%82%AC");
        assert_eq!(address("/step-up", &[("to", "")]), "/step-up");
    }

    #[test]
    fn segment_stays_one_whatever_it_holds() {
        assert_eq!(segment("a/b?c#d%2F"), "a%2Fb%3Fc%23d%252F");
        assert_eq!(segment("\u{e9}.-_~"), "%C3%A9.-_~");
    }
}
