//! `countersign store copy`: an installation moves between the embedded store and one that several nodes share.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_server::store::transfer::Trouble;
use countersign_server::wiring::{MoveError, PLACES, Place, move_store};
use serde_json::json;

use crate::out::{Failed, Progress, data, say};

/// Move an installation between stores.
#[derive(Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Copy every record and every audit chain into an empty store; run it again to finish one that was interrupted
    Copy(Copy),
}

/// Copy an installation. No server may use either store meanwhile.
#[derive(Args)]
struct Copy {
    /// The store there is
    #[arg(long, value_name = "STORE", long_help = format!("The store there is: {PLACES}"))]
    from: String,
    /// The empty store
    #[arg(long, value_name = "STORE", long_help = format!("The empty store: {PLACES}"))]
    to: String,
    /// File with the password of the shared store
    #[arg(long, value_name = "FILE")]
    store_password_file: Option<PathBuf>,
    /// PEM file of the authorities that the shared store's server is trusted by
    #[arg(long, value_name = "FILE")]
    store_ca: Option<PathBuf>,
    /// The key ring, unless it is keys/ring in the data folder that is copied from
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Store {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let Action::Copy(copy) = self.action;
        copy.run()
    }
}

impl Copy {
    fn run(self) -> Result<(), Failed> {
        let from = self.place("--from", &self.from)?;
        let to = self.place("--to", &self.to)?;
        if self.from == self.to {
            return Err(Failed::Usage("--from and --to name one store".into()));
        }
        let ring = match (&self.keys_file, &from) {
            (Some(file), _) => file.clone(),
            (None, Place::Folder(folder)) => folder.join("keys/ring"),
            (None, Place::Shared(_)) => {
                return Err(Failed::Usage(
                    "a shared store has no key ring of its own; name it by --keys-file".into(),
                ));
            }
        };
        let mut shown: Option<(Progress, u64)> = None;
        let mut step = |done: u64, all: u64| {
            let (progress, before) = shown.get_or_insert_with(|| (Progress::over(all, "rows"), 0));
            progress.advance(done - *before);
            *before = done;
        };
        let copied = move_store(&from, &to, &ring, &mut step);
        if let Some((progress, _)) = shown {
            progress.end();
        }
        let copied = copied.map_err(|error| match error {
            MoveError::Copy(Trouble::Taken | Trouble::Empty | Trouble::Unfinished | Trouble::Differs(_))
            | MoveError::Damaged(_) => Failed::Refused(error.to_string()),
            other => Failed::unavailable(other),
        })?;
        if self.json {
            data(json!({ "records": copied.records, "audit_entries": copied.entries }));
        } else {
            data(format_args!(
                "{} records and {} audit entries are copied; every chain is whole",
                copied.records, copied.entries
            ));
            say("Serve the new store with the same key ring, and the old one no more.");
        }
        Ok(())
    }

    fn place(&self, option: &str, text: &str) -> Result<Place, Failed> {
        let (password, authority) = (self.store_password_file.clone(), self.store_ca.clone());
        Place::parse(text, password, authority)
            .map_err(|problem| Failed::Usage(format!("{option}: {problem}")))
    }
}
