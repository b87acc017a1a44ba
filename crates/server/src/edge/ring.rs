//! The key ring as a file: one key a line, `use id hexadecimal`.
//!
//! Knows: the spelling. Must never know: what is sealed with the keys. Losing the file is losing every second
//! factor, so it is never made anew beside a database that belongs to another.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use countersign_auth::id::{hex, unhex};
use countersign_auth::rule::Entropy;
use countersign_auth::seal::{KEY_BYTES, KeyRing};
use zeroize::Zeroizing;

use super::entropy::SystemEntropy;
use super::folder::write_private;
use crate::service::keys::RingKeeper;

/// What a file's first lines say to whoever opens it.
const HEAD: &str = "\
# Countersign key ring. Whoever has it and the database has every second factor.
# Keep a copy apart from the database: without it no factor can be read again.
";

/// Why a file is not a key ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// The line is not `use id hexadecimal`.
    Line(usize),
    /// The key is not 32 bytes, or all its bytes are equal.
    Key(usize),
    /// A key of this use is missing.
    Missing(&'static str),
    /// Two keys have one id, or a use that has one key has two.
    Twice(usize),
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingError::Line(line) => write!(
                f,
                "line {line} of the key ring is not `seal|index|audit id hexadecimal`"
            ),
            RingError::Key(line) => write!(
                f,
                "the key in line {line} of the key ring is not 32 random bytes in hexadecimal"
            ),
            RingError::Missing(what) => write!(
                f,
                "the key ring has no `{what}` key; restore the file that was backed up"
            ),
            RingError::Twice(line) => write!(f, "line {line} of the key ring gives a key a second time"),
        }
    }
}

impl std::error::Error for RingError {}

type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// The file a ring is kept in.
#[derive(Debug)]
pub struct RingFile {
    path: PathBuf,
}

impl RingFile {
    /// The ring at a path.
    pub fn at(path: PathBuf) -> RingFile {
        RingFile { path }
    }

    fn text(&self) -> Result<Zeroizing<String>, String> {
        let text = fs::read_to_string(&self.path).map(Zeroizing::new);
        text.map_err(|error| self.named(&error))
    }

    fn named(&self, error: &dyn fmt::Display) -> String {
        format!("{}: {error}", self.path.display())
    }

    /// Draws a ring unless one is there; the text of what is there then.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn draw_unless_there(&self) -> io::Result<Zeroizing<String>> {
        let _alone = self.alone()?;
        match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = draw(&mut SystemEntropy);
                write_private(&self.path, text.as_bytes())?;
                Ok(text)
            }
            read => read.map(Zeroizing::new),
        }
    }

    /// Keeps every process that works with this file from changing it, until the answer is dropped.
    fn alone(&self) -> io::Result<fs::File> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path.with_file_name(name))?;
        lock.lock()?;
        Ok(lock)
    }

    fn change(&self, change: impl FnOnce(&str) -> Zeroizing<String>) -> Result<KeyRing, String> {
        let remedy = "the ring's folder must be writable for as long as it is changed";
        let alone = self.alone();
        let _alone = alone.map_err(|error| format!("{}; {remedy}", self.named(&error)))?;
        let changed = change(&self.text()?);
        let ring = parse(&changed).map_err(|error| self.named(&error))?;
        write_private(&self.path, changed.as_bytes())
            .map_err(|error| format!("{}; {remedy}", self.named(&error)))?;
        Ok(ring)
    }
}

impl RingKeeper for RingFile {
    fn read(&self) -> Result<KeyRing, String> {
        parse(&self.text()?).map_err(|error| self.named(&error))
    }

    fn add(&self) -> Result<KeyRing, String> {
        self.change(|text| {
            let gap = if text.ends_with('\n') { "" } else { "\n" };
            let fresh = line("seal", &mut SystemEntropy);
            Zeroizing::new(format!("{text}{gap}{}", fresh.as_str()))
        })
    }

    fn forget(&self, id: &str) -> Result<KeyRing, String> {
        let is_forgotten = |line: &&str| {
            let mut words = line.split_ascii_whitespace();
            words.next() == Some("seal") && words.next() == Some(id)
        };
        self.change(|text| {
            let mut kept = Zeroizing::new(String::with_capacity(text.len()));
            for line in text.lines().filter(|line| !is_forgotten(line)) {
                kept.push_str(line);
                kept.push('\n');
            }
            kept
        })
    }
}

/// A fresh ring's text.
pub fn draw(entropy: &mut dyn Entropy) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::from(HEAD));
    for use_of in ["seal", "index", "audit"] {
        text.push_str(&line(use_of, entropy));
    }
    text
}

/// A line with a fresh key.
pub fn line(use_of: &str, entropy: &mut dyn Entropy) -> Zeroizing<String> {
    let mut id = [0u8; 4];
    entropy.fill(&mut id);
    let mut key = Zeroizing::new([0u8; KEY_BYTES]);
    entropy.fill(&mut *key);
    let digits = Zeroizing::new(hex(&*key));
    Zeroizing::new(format!("{use_of} k{} {}\n", hex(&id), *digits))
}

/// Reads a ring.
///
/// # Errors
/// [`RingError`], naming the line and never a key.
pub fn parse(text: &str) -> Result<KeyRing, RingError> {
    let mut sealing: Vec<(String, KeyBytes)> = Vec::new();
    let (mut index, mut audit) = (None, None);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [use_of, id, digits] = words[..] else {
            return Err(RingError::Line(number));
        };
        let key = key(digits).ok_or(RingError::Key(number))?;
        let taken = match use_of {
            "seal" if sealing.iter().any(|(known, _)| known == id) => true,
            "seal" => {
                sealing.push((id.to_owned(), key));
                false
            }
            "index" => index.replace(key).is_some(),
            "audit" => audit.replace(key).is_some(),
            _ => return Err(RingError::Line(number)),
        };
        if taken {
            return Err(RingError::Twice(number));
        }
    }
    let index = index.ok_or(RingError::Missing("index"))?;
    let audit = audit.ok_or(RingError::Missing("audit"))?;
    KeyRing::new(sealing, index, audit).ok_or(RingError::Missing("seal"))
}

fn key(digits: &str) -> Option<KeyBytes> {
    let bytes = Zeroizing::new(unhex(digits)?);
    let key: KeyBytes = Zeroizing::new(bytes.as_slice().try_into().ok()?);
    key.iter().any(|byte| *byte != key[0]).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0u8;
        move |buffer: &mut [u8]| {
            buffer.iter_mut().for_each(|byte| {
                next = next.wrapping_add(1);
                *byte = next;
            });
        }
    }

    #[test]
    fn drawn_ring_is_read_back_and_a_further_line_becomes_current() {
        let mut entropy = counting();
        let mut text = draw(&mut entropy).to_string();
        let first = parse(&text).expect("a ring").current().to_owned();
        text.push_str(&line("seal", &mut entropy));
        let ring = parse(&text).expect("a ring");
        assert_eq!(ring.ids().count(), 2);
        assert_eq!(ring.ids().next(), Some(first.as_str()));
        assert_ne!(ring.current(), first);
    }

    #[test]
    fn damaged_ring_is_refused_by_line() {
        let text = draw(&mut counting()).to_string();
        let zeroes = "0".repeat(64);
        assert_eq!(parse("").err(), Some(RingError::Missing("index")));
        assert_eq!(parse(&format!("{text}seal\n")).err(), Some(RingError::Line(6)));
        assert_eq!(
            parse(&format!("{text}seal k2 abcd\n")).err(),
            Some(RingError::Key(6))
        );
        assert_eq!(
            parse(&format!("{text}seal k2 {zeroes}\n")).err(),
            Some(RingError::Key(6))
        );
        assert_eq!(
            parse(&format!("{text}{}", line("index", &mut counting()).as_str())).err(),
            Some(RingError::Twice(6))
        );
    }

    /// A folder of a test's own, removed at the end.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// What many processes do at once, each with a file of its own over one path.
    fn at_once<T: Send>(name: &str, work: impl Fn(RingFile) -> T + Sync) -> (Vec<T>, RingFile, Scratch) {
        let folder = std::env::temp_dir().join(format!("countersign-ring-{name}-{}", std::process::id()));
        let scratch = Scratch(folder);
        let path = scratch.0.join("keys/ring");
        let done = std::thread::scope(|scope| {
            let work = &work;
            let running: Vec<_> = (0..8)
                .map(|_| {
                    let file = RingFile::at(path.clone());
                    scope.spawn(move || work(file))
                })
                .collect();
            let done = running.into_iter().map(|thread| thread.join());
            done.map(|done| done.expect("no thread panics")).collect()
        });
        (done, RingFile::at(path), scratch)
    }

    #[test]
    fn of_many_that_draw_a_ring_at_once_one_does_and_all_have_it() {
        let draw = |file: RingFile| {
            let text = file.draw_unless_there().expect("the folder can be written");
            parse(&text).expect("a ring").fingerprint()
        };
        let (mut drawn, file, _scratch) = at_once("draw", draw);
        drawn.dedup();
        assert_eq!(drawn, [file.read().expect("a ring").fingerprint()]);
    }

    #[test]
    fn key_that_was_added_is_never_lost_by_another_that_is_added_at_once() {
        let add = |file: RingFile| {
            file.draw_unless_there().expect("the folder can be written");
            file.add().expect("a ring").current().to_owned()
        };
        let (added, file, _scratch) = at_once("add", add);
        let kept = file.read().expect("a ring");
        assert_eq!(kept.ids().count(), 1 + added.len());
        assert!(
            added.iter().all(|id| kept.ids().any(|kept| kept == id)),
            "{kept:?}"
        );
    }
}
