//! `countersign import`: authenticators that other systems seeded, from whatever file they come in.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_auth::policy::FACTORS_MAX;
use countersign_core::time::UnixSeconds;
use countersign_server::edge::clock::SystemClock;
use countersign_server::seeds::pskc::Key;
use countersign_server::seeds::{self, Contents, FILE_BYTES_MAX, Owners, Seed};
use countersign_server::service::clock::Clock;
use countersign_server::service::operator::{Ask, Imported, Reply, Seed as Sent, Taken};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::people::Kinglet;
use super::user::unexpected;
use crate::installation::{Common, Desk, read_secret};
use crate::out::{Failed, data, say};

/// Take over authenticators from otpauth or otpauth-migration URIs, a PSKC container or a ~/.google_authenticator.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Import {
    #[command(subcommand)]
    system: Option<System>,
    /// The file, `-` for standard input; its format is recognised
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// The account that owns everything in the file, whatever the file says
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// File with a serial number and an account's name a line; tokens that it does not list are left alone
    #[arg(long, value_name = "FILE", conflicts_with = "account")]
    owners: Option<PathBuf>,
    /// Add accounts that do not exist; `user invite` then makes the link that sets a password
    #[arg(long)]
    add: bool,
    /// Bring back secrets that were removed from the account; codes that were used stay used
    #[arg(long)]
    again: bool,
    /// Say what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
    /// File with the pre-shared key of a PSKC container, in hexadecimal or Base64
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// File with the passphrase of a PSKC container
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Another system, of which people come as well.
#[derive(Subcommand)]
enum System {
    Kinglet(Kinglet),
}

/// What came of one account.
struct Outcome {
    account: String,
    seeds: Vec<Seed>,
    result: Result<Imported, String>,
}

impl Import {
    pub(crate) fn run(mut self) -> Result<(), Failed> {
        match (self.system.take(), self.file.take()) {
            (Some(System::Kinglet(kinglet)), _) => kinglet.run(),
            (None, Some(file)) => self.take_file(&file),
            (None, None) => Err(Failed::Usage("name a file, or `-` for standard input".into())),
        }
    }

    fn take_file(&self, file: &PathBuf) -> Result<(), Failed> {
        let inputs = [
            Some(file),
            self.owners.as_ref(),
            self.key_file.as_ref(),
            self.passphrase_file.as_ref(),
        ];
        if inputs
            .iter()
            .flatten()
            .filter(|path| path.as_path() == Path::new("-"))
            .count()
            > 1
        {
            return Err(Failed::Usage(
                "standard input can be only one of the files".into(),
            ));
        }
        let contents = self.contents(file)?;
        let owners = match (&self.account, &self.owners) {
            (Some(name), _) => Owners::One(name.clone()),
            (None, Some(path)) => seeds::owners(&read_secret(path)?).map_err(|why| in_file(path, why))?,
            (None, None) => Owners::AsNamed,
        };
        let (format, found) = (contents.format, contents.entries.len());
        if !self.common.json {
            say(format_args!("{format}: {found} found"));
        }
        let sorted = seeds::by_account(contents, &owners);
        let desk = match self.dry_run {
            true => self.common.data.open_existing()?,
            false => self.common.data.open()?,
        };
        let (mut outcomes, mut stopped) = (Vec::new(), None);
        for (account, seeds) in sorted.accounts {
            match self.take_over(account, seeds, &desk) {
                Ok(outcome) => outcomes.push(outcome),
                Err(failed) => {
                    stopped = Some(failed);
                    break;
                }
            }
        }
        let closed = desk.close();
        // What was done is shown even if something stopped it: backup codes are shown once.
        if self.common.json {
            data(self.json(&outcomes, &sorted.refused, sorted.left_alone));
        } else {
            self.show(&outcomes, &sorted.refused, sorted.left_alone);
        }
        if let Some(failed) = stopped {
            return Err(failed);
        }
        closed?;
        let refused_of = |outcome: &Outcome| match &outcome.result {
            Ok(imported) => imported
                .taken
                .iter()
                .filter(|taken| **taken == Taken::Removed)
                .count(),
            Err(_) => 1,
        };
        let refused = sorted.refused.len() + outcomes.iter().map(refused_of).sum::<usize>();
        match refused {
            0 => Ok(()),
            1 => Err(Failed::Refused("1 was refused, as said above".into())),
            refused => Err(Failed::Refused(format!("{refused} were refused, as said above"))),
        }
    }

    fn contents(&self, file: &Path) -> Result<Contents, Failed> {
        let key = match (&self.key_file, &self.passphrase_file) {
            (Some(path), _) => Key::parse(&read_secret(path)?)
                .ok_or_else(|| in_file(path, "the key has 16 or 32 bytes, in hexadecimal or Base64"))?,
            (None, Some(path)) => Key::Passphrase(read_secret(path)?),
            (None, None) => Key::None,
        };
        let now: UnixSeconds = SystemClock.wall();
        let text = read_bounded(file, FILE_BYTES_MAX)?;
        seeds::read(&text, &key, now).map_err(|why| in_file(file, why))
    }

    /// Has one account take over all that is its own. A refusal is of that account alone; nothing is asked any more
    /// once the installation can't be reached.
    fn take_over(&self, account: String, seeds: Vec<Seed>, desk: &Desk) -> Result<Outcome, Failed> {
        let sent = seeds.iter().map(|seed| Sent {
            uri: seed.uri(),
            place: seed.place.clone(),
            label: seed.label.clone(),
            drift: seed.drift,
            last_accepted: seed.last_accepted.map(|step| step.0),
        });
        let ask = Ask::Import {
            account: account.clone(),
            add: self.add,
            seeds: sent.collect(),
            again: self.again,
            dry_run: self.dry_run,
        };
        let result = if seeds.len() > FACTORS_MAX {
            Err(format!(
                "{account} would have more than {FACTORS_MAX} factors; remove some"
            ))
        } else {
            match desk.ask(&ask) {
                Ok(Reply::Imported(imported)) => Ok(imported),
                Ok(other) => return Err(unexpected(&other)),
                Err(Failed::Refused(why)) => Err(why),
                Err(failed) => return Err(failed),
            }
        };
        Ok(Outcome {
            account,
            seeds,
            result,
        })
    }

    fn said(&self, taken: Taken) -> &'static str {
        match (taken, self.dry_run) {
            (Taken::Added, false) => "added",
            (Taken::Added, true) => "would be added",
            (Taken::AddedWeak, false) => "added, though its secret has less than 128 bits",
            (Taken::AddedWeak, true) => "would be added, though its secret has less than 128 bits",
            (Taken::Exists, _) => "exists already",
            (Taken::Removed, _) => {
                "refused: it was removed from this account; enrol a fresh one, or use --again"
            }
        }
    }

    fn show(&self, outcomes: &[Outcome], refused: &[(String, String)], left_alone: usize) {
        for Outcome {
            account,
            seeds,
            result,
        } in outcomes
        {
            let imported = match result {
                Ok(imported) => imported,
                Err(why) => {
                    data(format_args!("{account}  refused: {why}"));
                    continue;
                }
            };
            if imported.account_added {
                let added = if self.dry_run {
                    "would be added"
                } else {
                    "was added"
                };
                data(format_args!("{account}  the account {added}, without a password"));
            }
            for (seed, taken) in seeds.iter().zip(&imported.taken) {
                let (shows, said) = (seed.shows(), self.said(*taken));
                let label = if seed.label.is_empty() { "-" } else { &seed.label };
                data(format_args!("{account}  {label}  {shows}  {said}"));
                for note in &seed.notes {
                    data(format_args!("{account}  {note}"));
                }
            }
            if self.dry_run && imported.with_backup_codes {
                data(format_args!("{account}  backup codes would be made"));
            }
            for code in &imported.backup_codes {
                data(format_args!("{account}  backup code   {code}"));
            }
        }
        for (place, why) in refused {
            data(format_args!("{place}  refused: {why}"));
        }
        if left_alone > 0 {
            say(format_args!(
                "{left_alone} tokens have no owner and are left alone"
            ));
        }
        if outcomes
            .iter()
            .filter_map(|outcome| outcome.result.as_ref().ok())
            .any(|imported| !imported.backup_codes.is_empty())
        {
            say("The backup codes are shown once; hand them over on a channel you trust.");
        }
    }

    fn json(&self, outcomes: &[Outcome], refused: &[(String, String)], left_alone: usize) -> Value {
        let account = |outcome: &Outcome| match &outcome.result {
            Err(why) => json!({ "account": outcome.account, "refused": why }),
            Ok(imported) => {
                let factors = outcome.seeds.iter().zip(&imported.taken).map(|(seed, taken)| {
                    json!({
                        "entry": seed.place, "label": seed.label, "shows": seed.shows(), "outcome": taken,
                        "notes": seed.notes,
                    })
                });
                json!({
                    "account": imported.account,
                    "account_added": imported.account_added,
                    "factors": factors.collect::<Vec<_>>(),
                    "with_backup_codes": imported.with_backup_codes,
                    "backup_codes": imported.backup_codes,
                })
            }
        };
        let refused = refused
            .iter()
            .map(|(place, why)| json!({ "entry": place, "why": why }));
        json!({
            "dry_run": self.dry_run,
            "accounts": outcomes.iter().map(account).collect::<Vec<_>>(),
            "refused": refused.collect::<Vec<_>>(),
            "left_alone": left_alone,
        })
    }
}

/// Room beyond the text, in which its end is looked for.
const END_BYTES: usize = 64;

/// What is wrong with one of the files.
pub(crate) fn in_file(path: &Path, why: impl Display) -> Failed {
    Failed::Usage(format!("{}: {why}", path.display()))
}

/// Reads a file of at most so many bytes, and of a longer one no more than shows that it is. The room is reserved
/// before: what a growing text leaves behind is not wiped.
pub(crate) fn read_bounded(path: &Path, bytes_max: usize) -> Result<Zeroizing<String>, Failed> {
    let bound = bytes_max as u64 + 1;
    let read = if path == Path::new("-") {
        read_into(bytes_max + 1, std::io::stdin().take(bound))
    } else {
        File::open(path).and_then(|file| {
            // What is no regular file does not say how long it is.
            let about = file.metadata()?;
            let len = if about.is_file() { about.len() } else { bound };
            let room = usize::try_from(len.min(bound)).unwrap_or(bytes_max + 1);
            read_into(room, file.take(bound))
        })
    };
    read.map_err(|error| in_file(path, error))
}

/// Reads into room of so many bytes.
fn read_into(room: usize, mut from: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(room + END_BYTES));
    from.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_seeds_never_grows_out_of_its_room() {
        for len in [0, 1, 31, 32, 8192, 1_000_000] {
            let file = vec![b'a'; len];
            let text = read_into(len, file.as_slice().take(u64::MAX)).expect("it can be read");
            assert_eq!((text.len(), text.capacity()), (len, len + END_BYTES));
        }
    }
}
