//! For fuzzing: how servers of several kinds read a path, and that none of them is led past a rule.
//!
//! Knows: readings that were met in servers. Must never know: how the guard reads; it is compared with these.

use std::net::{IpAddr, Ipv4Addr};

use super::{Allow, Found, Question, Rules};

/// A host of which one folder is closed and all else open: the easiest to get past.
const CLOSED_FOLDER: &str = "[[host]]\nname = 'a.example'\n[[host.rule]]\npath = '/admin/*'\nallow = 'deny'\n\
                             [[host.rule]]\npath = '/*'\nallow = 'public'\n";

/// The first line is an address, the rest a file of rules: whatever they are, nothing panics, and no spelling of the
/// address leads a server into a folder that is closed to it.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (uri, file) = text.split_once('\n').unwrap_or((&text, ""));
    let network = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Ok(question) = Question::read("a.example", uri, "GET", network) else {
        return;
    };
    if let Ok(rules) = Rules::parse(file) {
        let _ = rules.find(&question);
    }
    let rules = Rules::parse(CLOSED_FOLDER).expect("the rules are right");
    let is_closed = match rules.find(&question) {
        Found::Rule(_, rule) => rule.allow == Allow::Deny,
        Found::UnknownHost | Found::NoRule(_) => true,
    };
    for reading in readings(uri) {
        let is_inside = reading.first().is_some_and(|segment| segment == b"admin");
        assert!(
            is_closed || !is_inside,
            "{uri:?} leads into the folder and was let through"
        );
    }
}

/// The segments of a path as servers find them: decoded once or twice, with a backslash for a slash or not, with
/// parameters cut off or not, ending at NUL or not.
fn readings(uri: &str) -> Vec<Vec<Vec<u8>>> {
    let path = uri.split(['?', '#']).next().unwrap_or("");
    // Of an address with scheme and host, the path is what follows them.
    let path = path
        .split_once("://")
        .map_or(path, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let raw = path.as_bytes().to_vec();
    let (once, twice) = (decoded(&raw), decoded(&decoded(&raw)));
    let mut found = Vec::new();
    for bytes in [raw, once, twice] {
        let backslash: Vec<u8> = bytes
            .iter()
            .map(|byte| if *byte == b'\\' { b'/' } else { *byte })
            .collect();
        for bytes in [bytes, backslash] {
            let cut = bytes
                .split(|byte| matches!(byte, 0 | b'?' | b'#'))
                .next()
                .unwrap_or(&[])
                .to_vec();
            for bytes in [bytes, cut] {
                found.push(segments(&bytes, false));
                found.push(segments(&bytes, true));
            }
        }
    }
    found
}

/// Decodes what escapes there are, and leaves broken ones as they are, as lenient servers do.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

fn segments(bytes: &[u8], cuts_parameters: bool) -> Vec<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for segment in bytes.split(|byte| *byte == b'/') {
        let segment = match segment.split(|byte| *byte == b';').next() {
            Some(name) if cuts_parameters => name,
            _ => segment,
        };
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            segment => kept.push(segment.to_vec()),
        }
    }
    kept
}
