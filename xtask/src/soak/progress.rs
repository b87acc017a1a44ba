//! What a long check has done so far, kept in the target directory so that an interrupted one goes on.
//!
//! Knows counts by name, and the sources they were counted for. Must never know what is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Workshop;
use crate::process::Task;

/// Counts of one check over one state of its sources.
#[derive(Debug)]
pub(crate) struct Progress {
    path: PathBuf,
    digest: String,
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Progress {
    /// Goes on where `name` was left, or begins anew where one of the sources has changed since.
    ///
    /// Sources are files and folders of the workspace, as git lists them.
    pub(crate) fn open(workshop: &Workshop, name: &str, sources: &[&str]) -> Result<Self, String> {
        let folder = workshop.target.join("soak");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let path = folder.join(format!("{name}.json"));
        let digest = digest(workshop, sources)?;
        let kept: Option<Value> = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let counts = kept
            .filter(|kept| kept["sources"] == json!(digest))
            .and_then(|kept| serde_json::from_value(kept["counts"].clone()).ok());
        Ok(Self {
            path,
            digest,
            counts: counts.unwrap_or_default(),
        })
    }

    /// What was counted under this name; 0 before anything was.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Adds to a count and keeps all of them.
    pub(crate) fn add(&mut self, name: &str, more: u64) -> Result<(), String> {
        self.set(name, self.count(name) + more)
    }

    /// Keeps another number under this name. A file half written would be none, so the old one is replaced whole.
    pub(crate) fn set(&mut self, name: &str, number: u64) -> Result<(), String> {
        self.counts.insert(name.to_owned(), number);
        let text = json!({ "sources": self.digest, "counts": self.counts }).to_string();
        let beside = self.path.with_extension("new");
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Forgets everything: the next run begins anew.
    pub(crate) fn finish(self) -> Result<(), String> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// SHA-256 over the names and bytes of all files in the sources.
fn digest(workshop: &Workshop, sources: &[&str]) -> Result<String, String> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "--"];
    let listed = Task::new("git", &[&list, sources].concat()).ask(workshop)?;
    listed.success("git cannot list the sources")?;
    let mut names: Vec<&str> = listed.output.lines().collect();
    names.sort_unstable();
    names.dedup();
    let mut hash = Sha256::new();
    for name in names {
        // A file that is listed and gone is a change like any other.
        let bytes = fs::read(workshop.root.join(name)).unwrap_or_default();
        hash.update(name);
        hash.update([0]);
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").map_err(|error| error.to_string())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workshop(target: &str) -> Workshop {
        let target = std::env::temp_dir().join(format!("{target}-{}", std::process::id()));
        Workshop {
            target,
            ..Workshop::open()
        }
    }

    #[test]
    fn interrupted_check_goes_on_and_a_changed_source_begins_anew() {
        let workshop = workshop("xtask-progress");
        let open =
            |sources: &[&str]| Progress::open(&workshop, "check", sources).expect("the sources are there");
        open(&["xtask/src"]).add("cuts", 3).expect("it is kept");
        let mut again = open(&["xtask/src"]);
        assert_eq!((again.count("cuts"), again.count("kills")), (3, 0));
        again.add("cuts", 4).expect("it is kept");
        assert_eq!(open(&["xtask/src"]).count("cuts"), 7);
        assert_eq!(
            open(&["xtask/src", "Cargo.toml"]).count("cuts"),
            0,
            "other sources"
        );
        open(&["xtask/src"]).finish().expect("it can be removed");
        assert_eq!(open(&["xtask/src"]).count("cuts"), 0);
        fs::remove_dir_all(&workshop.target).expect("it was made here");
    }
}
