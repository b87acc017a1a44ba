//! `countersign audit`: read it, search it, export it, see that nobody altered it.

use std::collections::VecDeque;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_server::service::audit::Checkpoint;
use countersign_server::service::operator::{Ask, Entry, Reply};
use serde_json::{Value, json};

use super::user::unexpected;
use crate::installation::Data;
use crate::out::{Failed, data, say};

mod search;
mod timeline;

/// Read, search, export and verify the audit.
#[derive(Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List entries for people to read
    List {
        #[command(flatten)]
        data: Data,
        /// Only entries about this account
        #[arg(long, value_name = "NAME")]
        subject: Option<String>,
        /// Only entries of this act, as the export spells it
        #[arg(long, value_name = "ACT")]
        act: Option<String>,
        /// Only entries from this time on, in seconds since 1970
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        since: u64,
        /// Only the last so many of these
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    Search(search::Search),
    Timeline(timeline::Timeline),
    /// Print every entry as one JSON object a line
    Export {
        #[command(flatten)]
        data: Data,
    },
    /// Walk every chain; exit 1 naming each entry that is altered, missing, reordered or cut
    Verify {
        #[command(flatten)]
        data: Data,
        /// A checkpoint that was kept elsewhere, instead of the newest in the data folder
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Audit {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.action {
            Action::Search(search) => search.run(),
            Action::Timeline(timeline) => timeline.run(),
            Action::Export { data: folder } => each_entry(&folder, |entry| data(json!(entry))),
            Action::List {
                data: folder,
                subject,
                act,
                since,
                limit,
                json,
            } => {
                let wanted = |entry: &Entry| {
                    let has = |member: &str, text: &Option<String>| {
                        text.as_ref()
                            .is_none_or(|text| entry.event[member] == Value::String(text.clone()))
                    };
                    entry.at >= since && has("subject", &subject) && has("act", &act)
                };
                let show = |entry: Entry| {
                    if json {
                        data(json!(entry))
                    } else {
                        data(line(&entry))
                    }
                };
                list(&folder, wanted, limit, show)
            }
            Action::Verify {
                data,
                checkpoint,
                json,
            } => verify(&data, checkpoint, json),
        }
    }
}

/// Shows the entries that are wanted as they come, or the last so many of them.
fn list(
    folder: &Data,
    wanted: impl Fn(&Entry) -> bool,
    limit: Option<usize>,
    show: impl Fn(Entry),
) -> Result<(), Failed> {
    let mut last = VecDeque::new();
    each_entry(folder, |entry| match limit {
        _ if !wanted(&entry) => {}
        None => show(entry),
        Some(limit) => {
            last.push_back(entry);
            if last.len() > limit {
                last.pop_front();
            }
        }
    })?;
    last.into_iter().for_each(show);
    Ok(())
}

fn each_entry(folder: &Data, mut show: impl FnMut(Entry)) -> Result<(), Failed> {
    let desk = folder.open()?;
    let nodes = match desk.ask(&Ask::AuditNodes)? {
        Reply::AuditNodes { nodes } => nodes,
        other => return Err(unexpected(&other)),
    };
    for node in nodes {
        let mut after = 0;
        loop {
            let entries = match desk.ask(&Ask::AuditPage {
                node: node.clone(),
                after,
            })? {
                Reply::AuditPage { entries } => entries,
                other => return Err(unexpected(&other)),
            };
            let Some(last) = entries.last() else { break };
            after = last.number;
            entries.into_iter().for_each(&mut show);
        }
    }
    desk.close()
}

fn line(entry: &Entry) -> String {
    let text = |member: &str| entry.event[member].as_str().unwrap_or("-").to_owned();
    let (act, result, reason) = (text("act"), text("result"), text("reason"));
    let (subject, source) = (text("subject"), text("source"));
    format!(
        "{} {}/{}  {act} {result} {reason}  {subject}  {source}",
        entry.at, entry.node, entry.number
    )
}

fn verify(folder: &Data, checkpoint: Option<PathBuf>, json: bool) -> Result<(), Failed> {
    let given = checkpoint.is_some();
    let path = match checkpoint {
        Some(path) => path,
        None => folder.folder()?.join("audit/checkpoint.json"),
    };
    let checkpoint: Option<Checkpoint> =
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(serde_json::from_str(&text).map_err(|_| {
                Failed::Refused(format!("{} is not a checkpoint of the audit", path.display()))
            })?),
            Err(error) if !given && error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failed::Usage(format!("{}: {error}", path.display()))),
        };
    let against = checkpoint.is_some();
    let (entries, damages) = match folder.ask(Ask::AuditVerify { checkpoint })? {
        Reply::AuditVerified { entries, damages } => (entries, damages),
        other => return Err(unexpected(&other)),
    };
    if json {
        data(json!({ "entries": entries, "checkpoint": against, "damages": damages }));
    } else if damages.is_empty() {
        let beside = if against {
            "and agree with the checkpoint"
        } else {
            "(no checkpoint was there to compare with)"
        };
        say(format_args!("{entries} entries are whole {beside}"));
    }
    if damages.is_empty() {
        Ok(())
    } else {
        Err(Failed::Refused(damages.join("\n")))
    }
}
