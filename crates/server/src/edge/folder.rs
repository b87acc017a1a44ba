//! The data folder: everything of one installation in one place, for one process and one owner.
//!
//! Knows: names and modes of files, and the lock. Must never know: what the files hold.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A data folder that exists and is its owner's alone.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// The folder's lock; held for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Folder {
    /// Opens a folder and makes it when it is missing.
    ///
    /// # Errors
    /// That of the operating system, or [`io::ErrorKind::PermissionDenied`] when others can read the folder.
    pub fn open(root: &Path) -> io::Result<Folder> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let mode = fs::metadata(root)?.permissions().mode();
        if mode & 0o077 != 0 {
            let why = format!(
                "{} can be read by others; run `chmod 700 {}`",
                root.display(),
                root.display()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(Folder {
            root: root.to_owned(),
        })
    }

    /// Takes the lock; none when another process holds it.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn lock(&self) -> io::Result<Option<Lock>> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The uid that owns it.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(fs::metadata(&self.root)?.uid())
    }

    /// The embedded database.
    pub fn database(&self) -> PathBuf {
        self.root.join("countersign.db")
    }

    /// The settings, when they are kept beside the data.
    pub fn settings(&self) -> PathBuf {
        self.root.join("countersign.toml")
    }

    /// The rules of protected applications, where they are not set to be elsewhere.
    pub fn rules(&self) -> PathBuf {
        self.root.join("rules.toml")
    }

    /// Certificates and their keys.
    pub fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// The newest checkpoint of the audit.
    pub fn checkpoint(&self) -> PathBuf {
        self.root.join("audit/checkpoint.json")
    }

    /// The control socket.
    pub fn control(&self) -> PathBuf {
        self.root.join("control.sock")
    }
}

/// Writes a file whole or not at all, readable by its owner alone, durable when this returns.
///
/// # Errors
/// That of the operating system.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(parent)?.sync_all()
}

/// Whether a file is anybody's but its owner's.
///
/// # Errors
/// That of the operating system.
pub fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Reads a file, none when there is none.
///
/// # Errors
/// That of the operating system.
pub fn read_optional(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
