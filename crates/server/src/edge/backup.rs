//! A backup: the files of one installation in one encrypted file.
//!
//! Knows: which files belong together, the format and its cipher. Must never know: what a record means. A
//! file that was altered, cut or made for another key is refused as a whole: a restore leaves a complete
//! folder or none.
//!
//! The format: one line of header in clear (`countersign-backup 1 ring|passphrase SALT`), then chunks of 64
//! KiB under XChaCha20-Poly1305. The key is fresh for each backup, since the salt is; the nonce is the
//! chunk's number and whether it is the last; the header is additional data of every chunk. Inside stand
//! name, length and bytes of each file.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use countersign_auth::id::{hex, unhex};
use countersign_auth::rule::Entropy;
use countersign_auth::seal::KeyRing;
use zeroize::Zeroizing;

use super::folder::Folder;

mod chunks;

use chunks::{CHUNK_BYTES, Opener, Sealer};

/// Longest header in bytes.
const HEADER_BYTES_MAX: u64 = 256;
/// Longest name of a file in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Shortest passphrase in characters: it is all that protects every second factor.
pub const PASSPHRASE_CHARS_MIN: usize = 15;
/// Cost of deriving a key from a passphrase: 64 MiB, 4 passes.
const PASSPHRASE_COST: (u32, u32) = (64 * 1024, 4);
/// What a header begins with.
const MAGIC: &str = "countersign-backup 1";

/// What a backup is encrypted under.
pub enum Secret<'a> {
    /// The installation's own ring, which is then not part of the backup.
    Ring(&'a KeyRing),
    /// A passphrase; the ring travels inside.
    Passphrase(&'a str),
}

/// Why a backup can't be made or restored.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackupError {
    /// Something about a file.
    Io(PathBuf, io::Error),
    /// The file is no backup, or of a newer version.
    NotABackup,
    /// It was made under the other kind of secret.
    OtherSecret(&'static str),
    /// It was altered or cut, or its secret is another one.
    Altered,
    /// The folder to restore into holds something.
    NotEmpty(PathBuf),
    /// The passphrase is too short.
    ShortPassphrase,
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            BackupError::NotABackup => {
                f.write_str("the file is no backup that this version can read; see that it is the right one")
            }
            BackupError::OtherSecret(remedy) => f.write_str(remedy),
            BackupError::Altered => f.write_str(
                "the backup was altered or cut, or was made under another key; nothing was restored",
            ),
            BackupError::NotEmpty(path) => write!(
                f,
                "{} is not empty; a backup is restored into an empty folder only",
                path.display()
            ),
            BackupError::ShortPassphrase => write!(
                f,
                "the passphrase has fewer than {PASSPHRASE_CHARS_MIN} characters; choose a longer one"
            ),
        }
    }
}

impl std::error::Error for BackupError {}

/// What of an installation is written beside the copy of its database.
pub struct Contents {
    files: Vec<(String, Zeroizing<Vec<u8>>)>,
}

impl Contents {
    /// Reads settings, rules, certificates and the audit's checkpoint; to be read before the database is copied, so
    /// that the copy is never older than its checkpoint. The ring is added when it is to travel.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub fn read(folder: &Folder, ring: Option<&Path>) -> Result<Contents, BackupError> {
        let mut paths = vec![
            ("countersign.toml".to_owned(), folder.settings()),
            ("rules.toml".to_owned(), folder.rules()),
            ("audit/checkpoint.json".to_owned(), folder.checkpoint()),
        ];
        paths.extend(ring.map(|path| ("keys/ring".to_owned(), path.to_owned())));
        if let Ok(entries) = fs::read_dir(folder.tls()) {
            for entry in entries {
                let path = entry
                    .map_err(|error| BackupError::Io(folder.tls(), error))?
                    .path();
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                paths.push((format!("tls/{name}"), path));
            }
        }
        let mut files = Vec::new();
        for (name, path) in paths.into_iter().filter(|(name, _)| belongs(name)) {
            match fs::read(&path) {
                Ok(bytes) => files.push((name, Zeroizing::new(bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(BackupError::Io(path, error)),
            }
        }
        Ok(Contents { files })
    }

    /// Writes the backup to a new file, durable when this returns; `progress` is told the bytes as they go.
    ///
    /// # Errors
    /// [`BackupError`]; no file is left then.
    pub fn write(
        &self,
        database: &Path,
        to: &Path,
        secret: &Secret<'_>,
        entropy: &mut dyn Entropy,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), BackupError> {
        let failed = |error| BackupError::Io(to.to_owned(), error);
        let header = Header::draw(secret, entropy);
        let key = header.key(secret)?;
        let file = private().create_new(true).open(to).map_err(failed)?;
        let written = self.write_into(file, database, &header, key, progress);
        if written.is_err() {
            // What could not be finished is of no use to anybody.
            let _ = fs::remove_file(to);
        }
        written.map_err(failed)
    }

    fn write_into(
        &self,
        mut file: File,
        database: &Path,
        header: &Header,
        key: Zeroizing<[u8; 32]>,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<()> {
        file.write_all(header.text.as_bytes())?;
        let mut sealer = Sealer::new(file, &header.text, &key);
        for (name, bytes) in &self.files {
            sealer.entry(name, bytes.len() as u64)?;
            io::copy(&mut Cursor::new(&**bytes), &mut sealer)?;
        }
        let mut copy = File::open(database)?;
        sealer.entry(DATABASE, copy.metadata()?.len())?;
        let mut buffer = Zeroizing::new(vec![0; CHUNK_BYTES]);
        loop {
            let read = copy.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            sealer.write_all(&buffer[..read])?;
            progress(read as u64);
        }
        sealer.finish()?.sync_all()
    }
}

/// The database's name inside a backup.
const DATABASE: &str = "countersign.db";

/// Everything that stands in a backup, but for certificates.
const KNOWN: [&str; 5] = [
    "countersign.toml",
    "rules.toml",
    "audit/checkpoint.json",
    "keys/ring",
    DATABASE,
];

/// Whether a name may stand in a backup: what is not known is neither packed nor restored anywhere.
fn belongs(name: &str) -> bool {
    let is_plain = |name: &str| {
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte == b'.';
        !name.starts_with('.') && !name.is_empty() && name.bytes().all(is_known)
    };
    name.len() <= NAME_BYTES_MAX && (KNOWN.contains(&name) || name.strip_prefix("tls/").is_some_and(is_plain))
}

/// Restores a backup into a folder that is missing or empty; `ring` is the ring's text where it does not
/// travel inside. Answers the settings that were set aside because they lead out of the folder.
///
/// # Errors
/// [`BackupError`]; the folder is then as it was.
pub fn restore(
    from: &Path,
    folder: &Path,
    secret: &Secret<'_>,
    ring: Option<&str>,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<&'static str>, BackupError> {
    if let Ok(mut entries) = fs::read_dir(folder)
        && entries.next().is_some()
    {
        return Err(BackupError::NotEmpty(folder.to_owned()));
    }
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let beside = folder.with_file_name(name);
    let failed = |error| BackupError::Io(beside.clone(), error);
    DirBuilder::new().mode(0o700).create(&beside).map_err(failed)?;
    let restored = unpack(from, &beside, secret, progress).and_then(|()| {
        let aside = set_aside(&beside.join("countersign.toml")).map_err(failed)?;
        if let Some(text) = ring {
            super::folder::write_private(&beside.join("keys/ring"), text.as_bytes()).map_err(failed)?;
        }
        fs::rename(&beside, folder).map_err(|error| BackupError::Io(folder.to_owned(), error))?;
        Ok(aside)
    });
    if restored.is_err() {
        // The half of a restore is worth nothing, and might be taken for a whole one.
        let _ = fs::remove_dir_all(&beside);
    }
    restored
}

/// Settings that lead out of the folder: what is restored has its own database and its own ring.
const LEADING_OUT: [&str; 5] = ["store", "store_password_file", "store_ca", "keys", "keys_file"];

/// Makes comments of the settings that would have a restored folder work with another store or ring; answers which.
fn set_aside(settings: &Path) -> io::Result<Vec<&'static str>> {
    let Some(bytes) = super::folder::read_optional(settings)? else {
        return Ok(Vec::new());
    };
    let text = String::from_utf8_lossy(&bytes);
    let (mut kept, mut aside) = (String::new(), Vec::new());
    for line in text.lines() {
        let name = line.split('=').next().unwrap_or_default();
        let name = name.trim().trim_matches(['"', '\'']);
        if let Some(name) = LEADING_OUT.into_iter().find(|known| *known == name) {
            kept.push_str("# Set aside when this folder was restored from a backup: ");
            aside.push(name);
        }
        kept.push_str(line);
        kept.push('\n');
    }
    if !aside.is_empty() {
        super::folder::write_private(settings, kept.as_bytes())?;
    }
    Ok(aside)
}

fn unpack(
    from: &Path,
    into: &Path,
    secret: &Secret<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), BackupError> {
    let failed = |error| BackupError::Io(from.to_owned(), error);
    let mut file = BufReader::new(File::open(from).map_err(failed)?);
    let header = Header::read(&mut file)
        .map_err(failed)?
        .ok_or(BackupError::NotABackup)?;
    let key = header.key(secret)?;
    let mut opener = Opener::new(file, &header.text, &key);
    while let Some((name, length)) = opener.entry()? {
        let path = into.join(&name);
        let broken = |error| BackupError::Io(path.clone(), error);
        if let Some(parent) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(broken)?;
        }
        let mut file = private().create_new(true).open(&path).map_err(broken)?;
        let mut left = length;
        while left > 0 {
            let some = opener.some(left)?;
            file.write_all(some).map_err(broken)?;
            left -= some.len() as u64;
            progress(some.len() as u64);
        }
        file.sync_all().map_err(broken)?;
    }
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// The line in clear at the beginning.
struct Header {
    text: String,
    is_ring: bool,
    salt: Vec<u8>,
}

impl Header {
    fn draw(secret: &Secret<'_>, entropy: &mut dyn Entropy) -> Header {
        let mut salt = vec![0; 32];
        entropy.fill(&mut salt);
        let is_ring = matches!(secret, Secret::Ring(_));
        let kind = if is_ring { "ring" } else { "passphrase" };
        let text = format!("{MAGIC} {kind} {}\n", hex(&salt));
        Header { text, is_ring, salt }
    }

    /// Reads a header; none when the file begins otherwise.
    fn read(file: &mut impl BufRead) -> io::Result<Option<Header>> {
        let mut line = Vec::new();
        file.take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)?;
        Ok(String::from_utf8(line).ok().and_then(Header::parse))
    }

    fn parse(text: String) -> Option<Header> {
        let rest = text.strip_prefix(MAGIC)?.strip_prefix(' ')?.strip_suffix('\n')?;
        let (kind, salt) = rest.split_once(' ')?;
        let is_ring = match kind {
            "ring" => true,
            "passphrase" => false,
            _ => return None,
        };
        let salt = unhex(salt).filter(|salt| salt.len() == 32)?;
        Some(Header { text, is_ring, salt })
    }

    fn key(&self, secret: &Secret<'_>) -> Result<Zeroizing<[u8; 32]>, BackupError> {
        match (secret, self.is_ring) {
            (Secret::Ring(ring), true) => Ok(Zeroizing::new(ring.index("backup", &[&self.salt]))),
            (Secret::Passphrase(text), false) => stretch(text, &self.salt),
            (Secret::Ring(_), false) => Err(BackupError::OtherSecret(
                "the backup was made with a passphrase; give it with `--passphrase-file`",
            )),
            (Secret::Passphrase(_), true) => Err(BackupError::OtherSecret(
                "the backup was made under the key ring; give the ring with `--keys-file`",
            )),
        }
    }
}

fn stretch(passphrase: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, BackupError> {
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(BackupError::ShortPassphrase);
    }
    let (memory, passes) = PASSPHRASE_COST;
    let params = Params::new(memory, passes, 1, Some(32)).expect("the cost is within Argon2's bounds");
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .map_err(|_| BackupError::ShortPassphrase)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::chunks::TAG_BYTES;
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

    fn ring(fill: u8) -> KeyRing {
        let sealing = vec![("k1".to_owned(), Zeroizing::new([fill; 32]))];
        KeyRing::new(sealing, Zeroizing::new([fill; 32]), Zeroizing::new([2; 32])).expect("not empty")
    }

    fn sealed(clear: &[u8]) -> (Header, Vec<u8>) {
        let header = Header::draw(&Secret::Ring(&ring(1)), &mut counting());
        let key = header.key(&Secret::Ring(&ring(1))).expect("the kind fits");
        let mut sealer = Sealer::new(Vec::new(), &header.text, &key);
        sealer
            .entry("keys/ring", clear.len() as u64)
            .expect("a vector takes everything");
        sealer.write_all(clear).expect("a vector takes everything");
        (header, sealer.finish().expect("a vector takes everything"))
    }

    fn opened(header: &Header, sealed: &[u8], ring: &KeyRing) -> Result<Vec<u8>, BackupError> {
        let key = header.key(&Secret::Ring(ring))?;
        let mut opener = Opener::new(sealed, &header.text, &key);
        let (_, length) = opener.entry()?.ok_or(BackupError::Altered)?;
        let clear = opener.exactly(usize::try_from(length).expect("small"))?;
        match opener.entry()? {
            None => Ok(clear),
            Some(_) => Err(BackupError::Altered),
        }
    }

    #[test]
    fn files_of_every_length_around_a_chunk_come_back() {
        for length in [
            0,
            1,
            CHUNK_BYTES - 18,
            CHUNK_BYTES - 17,
            CHUNK_BYTES,
            2 * CHUNK_BYTES + 1,
        ] {
            let clear: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (header, sealed) = sealed(&clear);
            assert_eq!(
                opened(&header, &sealed, &ring(1)).expect("it opens"),
                clear,
                "{length}"
            );
        }
    }

    #[test]
    fn altered_cut_reordered_or_foreign_chunks_are_refused() {
        let clear = vec![7; 2 * CHUNK_BYTES];
        let (header, whole) = sealed(&clear);
        let refused = |bytes: &[u8]| {
            let answer = opened(&header, bytes, &ring(1));
            assert!(matches!(answer, Err(BackupError::Altered)), "{:?}", answer.err());
        };
        for at in [0, 1, CHUNK_BYTES, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            refused(&flipped);
        }
        let chunk = CHUNK_BYTES + TAG_BYTES;
        refused(&whole[..chunk]);
        refused(&whole[..whole.len() - 1]);
        refused(&[&whole[chunk..2 * chunk], &whole[..chunk], &whole[2 * chunk..]].concat());
        assert!(matches!(
            opened(&header, &whole, &ring(9)),
            Err(BackupError::Altered)
        ));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "../ring",
            "/etc/passwd",
            "tls/../x",
            "tls/.x",
            "tls/a/b",
            "keys/other",
            "",
        ] {
            assert!(!belongs(name), "{name}");
        }
        for name in ["keys/ring", "countersign.db", "tls/ca.pem", "tls/leaf.names"] {
            assert!(belongs(name), "{name}");
        }
    }

    #[test]
    fn settings_that_lead_out_of_the_folder_are_set_aside_and_named_and_no_others() {
        let path = std::env::temp_dir().join(format!("countersign-set-aside-{}", std::process::id()));
        let text = "store = \"elsewhere\"\nname = \"store\"\n'keys'=\"/other\"\n";
        fs::write(&path, text).expect("a file can be written");
        let aside = set_aside(&path).expect("it can be read");
        let left = fs::read_to_string(&path).expect("it is there");
        fs::remove_file(&path).expect("it can be removed");
        assert_eq!(aside, ["store", "keys"]);
        let live: Vec<_> = left.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(live, ["name = \"store\""]);
    }

    #[test]
    fn what_is_set_aside_are_settings_that_there_are() {
        let known: Vec<_> = crate::settings::TABLE
            .iter()
            .map(|setting| setting.name)
            .collect();
        for name in LEADING_OUT.into_iter().filter(|name| *name != "keys_file") {
            assert!(known.contains(&name), "{name} is no setting");
        }
    }
}
