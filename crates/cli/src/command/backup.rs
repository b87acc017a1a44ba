//! `countersign backup` and `restore`: one encrypted file, made while the server runs.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_server::edge::backup::{self, BackupError, Contents, Secret};
use countersign_server::edge::entropy::SystemEntropy;
use countersign_server::edge::folder::Folder;
use countersign_server::edge::ring;
use countersign_server::service::operator::{Ask, Reply};
use countersign_server::wiring::Plan;
use serde_json::json;
use zeroize::Zeroizing;

use super::user::unexpected;
use crate::installation::{Common, Data, read_secret};
use crate::out::{Failed, Progress, data, say};

/// Write everything of an installation into one encrypted file, while it runs.
#[derive(Args)]
pub(crate) struct Backup {
    /// The file to make
    file: PathBuf,
    /// File with a passphrase: the key ring then travels inside; without it the backup opens with the ring
    /// only
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Restore a backup into an empty data folder.
#[derive(Args)]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
    /// File with the passphrase it was made with
    #[arg(long, value_name = "FILE", required_unless_present = "keys_file")]
    passphrase_file: Option<PathBuf>,
    /// The key ring it was made under
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    keys_file: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
}

/// A copy of the database that is removed at the end, whatever comes.
struct Copy(PathBuf);

impl Copy {
    /// An empty file in the data folder, readable by its owner alone.
    fn prepare(folder: &Folder) -> Result<Copy, Failed> {
        let name = format!("copy-{}.db", std::process::id());
        let root = folder.root().canonicalize().map_err(Failed::unavailable)?;
        let path = root.join(name);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        made.map_err(|error| Failed::Unavailable(format!("{}: {error}", path.display())))?;
        Ok(Copy(path))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Nothing better is left to do with a copy that can't be removed.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Backup {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let passphrase = self.passphrase_file.as_deref().map(read_secret).transpose()?;
        let desk = self.common.data.open()?;
        let plan = Plan::of(&self.common.data.settings()?);
        let folder = Folder::open(&plan.data).map_err(Failed::unavailable)?;
        let ring_path = plan.ring();
        let text = Zeroizing::new(std::fs::read_to_string(&ring_path).map_err(Failed::unavailable)?);
        let ring = ring::parse(&text).map_err(Failed::unavailable)?;
        let secret = match &passphrase {
            Some(text) => Secret::Passphrase(text),
            None => Secret::Ring(&ring),
        };
        let contents = Contents::read(&folder, passphrase.is_some().then_some(&*ring_path)).map_err(told)?;
        let copy = Copy::prepare(&folder)?;
        match desk.ask(&Ask::Copy { file: copy.0.clone() })? {
            Reply::Done => {}
            other => return Err(unexpected(&other)),
        }
        desk.close()?;
        let mut progress = Progress::over(length(&copy.0)?, "bytes written");
        let mut step = |bytes| progress.advance(bytes);
        contents
            .write(&copy.0, &self.file, &secret, &mut SystemEntropy, &mut step)
            .map_err(told)?;
        progress.end();
        let bytes = length(&self.file)?;
        if self.common.json {
            let file = self.file.display().to_string();
            data(json!({ "file": file, "bytes": bytes, "ring_inside": passphrase.is_some() }));
        } else if passphrase.is_some() {
            say("It opens with the passphrase alone: whoever has both has every second factor.");
        } else {
            say(format_args!(
                "It opens only with the key ring; keep a copy of {} elsewhere.",
                ring_path.display()
            ));
        }
        Ok(())
    }
}

impl Restore {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let passphrase = self.passphrase_file.as_deref().map(read_secret).transpose()?;
        let text = self.keys_file.as_deref().map(read_secret).transpose()?;
        let ring = text.as_ref().map(|text| ring::parse(text)).transpose();
        let ring = ring.map_err(Failed::unavailable)?;
        let secret = match (&passphrase, &ring) {
            (Some(text), _) => Secret::Passphrase(text),
            (None, Some(ring)) => Secret::Ring(ring),
            (None, None) => return Err(Failed::Usage("give --passphrase-file or --keys-file".into())),
        };
        let mut progress = Progress::over(length(&self.file)?, "bytes restored");
        let mut step = |bytes| progress.advance(bytes);
        let ring = text.as_ref().map(|text| text.as_str());
        let folder = self.data.folder()?;
        let aside = backup::restore(&self.file, &folder, &secret, ring, &mut step).map_err(told)?;
        progress.end();
        let folder = folder.display();
        if !aside.is_empty() {
            say(format_args!(
                "{folder}/countersign.toml: {} set aside, since it leads out of the folder",
                aside.join(", ")
            ));
        }
        say(format_args!(
            "{folder} is restored; run `countersign audit verify --data {folder}` before you serve it"
        ));
        Ok(())
    }
}

fn length(path: &Path) -> Result<u64, Failed> {
    File::open(path)
        .and_then(|file| file.metadata())
        .map(|data| data.len())
        .map_err(|error| Failed::Unavailable(format!("{}: {error}", path.display())))
}

fn told(error: BackupError) -> Failed {
    match error {
        BackupError::Io(..) => Failed::unavailable(error),
        BackupError::ShortPassphrase => Failed::Usage(error.to_string()),
        _ => Failed::Refused(error.to_string()),
    }
}
