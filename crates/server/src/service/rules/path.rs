//! The path of a request in the one spelling that rules are compared with, or none.
//!
//! Knows: which spellings two servers may read differently. Must never know: rules. A path that an application may
//! take for another than the guard did is how guards are walked around, so it is refused rather than guessed at:
//! what is left has one meaning, and decoding it once gives it.

use std::fmt;

/// Longest address of a request in bytes, its query included: as long as the proxies of the examples take one.
pub const URI_BYTES_MAX: usize = 8 * 1024;

/// Longest path in bytes that somebody is sent back to.
pub const TARGET_BYTES_MAX: usize = 2048;

/// Everything below it on a protected host is Countersign's own.
pub const OWN_PREFIX: &str = "/.countersign/";

/// The path of a request, decoded once. Every server reads its segments as they stand here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

/// Why a path is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unclear {
    /// It does not begin with a slash, as an address with scheme and host does not.
    NoSlash,
    /// It is longer than it may be.
    TooLong,
    /// It holds a byte that an address can't have: a blank, a control character, or one outside ASCII.
    Character,
    /// It holds an escape that is cut short, or that gives no UTF-8.
    Escape,
    /// Decoded, it holds what some servers take for a separator or an end: `/`, `\`, `;`, `?`, `#`, NUL or another
    /// control character.
    HiddenSeparator,
    /// It is still encoded after it was decoded once.
    EncodedTwice,
    /// It has an empty segment before the last.
    EmptySegment,
    /// It has a segment of one or two dots.
    DotSegment,
    /// It leads to Countersign's own pages.
    OwnPage,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unclear::NoSlash => "it does not begin with /",
            Unclear::TooLong => "it is too long",
            Unclear::Character => "it holds a character that addresses can't have",
            Unclear::Escape => "it holds a broken escape",
            Unclear::HiddenSeparator => "it holds a character that some servers take for a separator",
            Unclear::EncodedTwice => "it is encoded twice",
            Unclear::EmptySegment => "it has an empty segment",
            Unclear::DotSegment => "it has a segment of dots",
            Unclear::OwnPage => "it leads to /.countersign/",
        })
    }
}

impl Path {
    /// Reads what a request's first line has between method and version: a path, and perhaps a query.
    ///
    /// # Errors
    /// [`Unclear`] when servers may differ about which path that is.
    pub fn of_request(uri: &str) -> Result<Path, Unclear> {
        if uri.len() > URI_BYTES_MAX {
            return Err(Unclear::TooLong);
        }
        if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Unclear::Character);
        }
        let path = uri.split('?').next().unwrap_or("");
        let decoded = decode(path)?;
        if is_encoded(&decoded) {
            return Err(Unclear::EncodedTwice);
        }
        Path::of_decoded(decoded)
    }

    /// Takes a path as a rule spells it: without escapes.
    pub(super) fn of_decoded(path: String) -> Result<Path, Unclear> {
        let Some(inside) = path.strip_prefix('/') else {
            return Err(Unclear::NoSlash);
        };
        let is_hidden = |c: char| c.is_control() || matches!(c, '\\' | ';' | '?' | '#');
        if inside.contains(is_hidden) {
            return Err(Unclear::HiddenSeparator);
        }
        let mut segments = inside.split('/');
        let last = segments.next_back().unwrap_or("");
        for segment in segments {
            if segment.is_empty() {
                return Err(Unclear::EmptySegment);
            }
            if is_dots(segment) {
                return Err(Unclear::DotSegment);
            }
        }
        if is_dots(last) {
            return Err(Unclear::DotSegment);
        }
        Ok(Path(path))
    }

    /// The decoded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is Countersign's own on every protected host.
    pub fn is_own(&self) -> bool {
        self.0.starts_with(OWN_PREFIX) || self.0 == OWN_PREFIX.trim_end_matches('/')
    }
}

/// A path of a protected host that somebody may be sent back to, with its query, as it was spelled.
///
/// # Security
/// It never names a host: one slash stands at its front, and neither a second one nor a backslash behind it, in any
/// spelling. It is safe in a header's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    /// Takes a target that somebody asks to be sent to.
    ///
    /// # Errors
    /// [`Unclear`].
    pub fn parse(text: &str) -> Result<Target, Unclear> {
        if text.len() > TARGET_BYTES_MAX {
            return Err(Unclear::TooLong);
        }
        // Browsers read a backslash as a slash, and in a query it has no business unescaped.
        if text.contains(['\\', '#']) {
            return Err(Unclear::HiddenSeparator);
        }
        if Path::of_request(text)?.is_own() {
            return Err(Unclear::OwnPage);
        }
        Ok(Target(text.to_owned()))
    }

    /// The front page, where nothing else was asked for.
    pub fn front() -> Target {
        Target("/".to_owned())
    }

    /// The text, beginning with one slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Decodes the escapes of a path once. What an escape must not stand for is found here, where it is still seen.
fn decode(path: &str) -> Result<String, Unclear> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(Unclear::Escape);
        };
        let byte = u8::try_from(high << 4 | low).map_err(|_| Unclear::Escape)?;
        if byte == b'/' {
            return Err(Unclear::HiddenSeparator);
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| Unclear::Escape)
}

/// Whether an escape is left in a decoded text: of two servers, one that decodes once more would read it otherwise.
fn is_encoded(decoded: &str) -> bool {
    let bytes = decoded.as_bytes();
    bytes
        .windows(3)
        .any(|three| three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit())
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ways to write `/admin/users` that some server reads as that, and that are no plain spelling of it.
    const DISGUISES: [&str; 34] = [
        "//admin/users",
        "/./admin/users",
        "/x/../admin/users",
        "/x/..%2fadmin/users",
        "/x/..%2Fadmin/users",
        "/x/%2e%2e/admin/users",
        "/x/%2E./admin/users",
        "/x/.%2e/admin/users",
        "/%2e/admin/users",
        "/admin//users",
        "/admin/./users",
        "/admin/x/../users",
        "/admin%2fusers",
        "/admin%5cusers",
        "/admin\\users",
        "/\\admin/users",
        "/x/..\\admin/users",
        "/x/..;/admin/users",
        "/;/admin/users",
        "/admin;x=1/users",
        "/admin%3bx/users",
        "/x/%252e%252e/admin/users",
        "/%2561dmin/users",
        "/admin%252fusers",
        "/x/%c0%ae%c0%ae/admin/users",
        "/admin%c0%afusers",
        "/admin%00/users",
        "/admin/users%00.png",
        "/admin/users%0a",
        "/admin%3f/users",
        "/admin%23/users",
        "/admin#/users",
        "http://app.example.org/admin/users",
        "admin/users",
    ];

    #[test]
    fn path_that_servers_read_differently_is_refused() {
        for disguise in DISGUISES {
            assert!(Path::of_request(disguise).is_err(), "{disguise}");
        }
        for broken in [
            "", "*", "?", "/%", "/%4", "/%4x", "/%+4", "/%ff", "/a b", "/a\tb", "/é", "/a\r\nb", "/..", "/.",
            "/a/..", "/%2e%2e",
            "/a/", // the last is whole, and shows that the others are refused for a reason
        ] {
            assert_eq!(Path::of_request(broken).is_ok(), broken == "/a/", "{broken:?}");
        }
    }

    #[test]
    fn plain_spellings_of_a_path_are_one_path() {
        for spelling in [
            "/admin/users",
            "/%61dmin/users",
            "/admin/%75sers?x=//../%2f",
            "/%61%64%6D%69%6e/users?",
        ] {
            assert_eq!(
                Path::of_request(spelling).map(|path| path.0),
                Ok("/admin/users".to_owned()),
                "{spelling}"
            );
        }
        for (spelling, path) in [
            ("/Gr%C3%BC%C3%9Fe", "/Grüße"),
            ("/100%25", "/100%"),
            ("/a+b%20c", "/a+b c"),
            ("/.well-known/x..y/...", "/.well-known/x..y/..."),
            ("/", "/"),
        ] {
            assert_eq!(
                Path::of_request(spelling).map(|path| path.0),
                Ok(path.to_owned()),
                "{spelling}"
            );
        }
    }

    #[test]
    fn address_may_have_its_longest_length_and_no_byte_more() {
        let longest = format!("/{}", "a".repeat(URI_BYTES_MAX - 1));
        assert!(Path::of_request(&longest).is_ok());
        assert_eq!(Path::of_request(&format!("{longest}a")), Err(Unclear::TooLong));
    }

    #[test]
    fn target_is_a_path_of_the_host_and_nothing_else() {
        for target in [
            "/",
            "/a/b?c=d&e=//f",
            "/a?to=https://evil.example",
            "/@evil.example",
            "/a:80/b",
        ] {
            assert_eq!(
                Target::parse(target).map(|target| target.0),
                Ok(target.to_owned())
            );
        }
        for evil in [
            "",
            "evil.example",
            "@evil.example",
            ":80",
            ".evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/%2fevil.example",
            "/%2F%2Fevil.example",
            "%2f%2fevil.example",
            "/%5cevil.example",
            "/%09/evil.example",
            "/..//evil.example",
            "/%2e%2e//evil.example",
            "/a\r\nset-cookie: x=1",
            "/a%0d%0aset-cookie:x=1",
            "/a\n",
            "/a\0",
            "/a?b\\c",
            "/a#b",
            "/а",
            "/\u{2215}evil.example",
            "/\u{202e}evil.example",
            "/.countersign/begin?to=/",
            "/%2ecountersign/begin",
            "/.countersign",
        ] {
            assert!(Target::parse(evil).is_err(), "{evil:?}");
        }
    }

    #[test]
    fn target_may_have_its_longest_length_and_no_byte_more() {
        let longest = format!("/{}", "a".repeat(TARGET_BYTES_MAX - 1));
        assert!(Target::parse(&longest).is_ok());
        assert_eq!(Target::parse(&format!("{longest}a")), Err(Unclear::TooLong));
    }
}
