//! `countersign key`: the keys that secrets are sealed under.

use clap::{Args, Subcommand};
use countersign_server::service::operator::{Ask, Reply};
use serde_json::json;

use super::user::unexpected;
use crate::installation::{Common, Desk};
use crate::out::{Failed, Progress, data, say};

/// List, rotate and forget the keys that secrets are sealed under.
#[derive(Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the sealing keys, oldest first
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Add a sealing key and seal every secret anew; begin again when it was interrupted
    Rotate {
        #[command(flatten)]
        common: Common,
    },
    /// Forget a sealing key that nothing depends on any more
    Forget {
        /// The key's id
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

impl Key {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.action {
            Action::List { common } => list(&common),
            Action::Rotate { common } => {
                let desk = common.data.open()?;
                let rotated = rotate(&desk, common.json);
                desk.close()?;
                rotated
            }
            Action::Forget { id, common } => {
                match common.data.ask(Ask::KeyForget { id: id.clone() })? {
                    Reply::Done if common.json => data(json!({ "forgotten": id })),
                    Reply::Done => say(format_args!(
                        "{id} is forgotten; older backups can't be read any more"
                    )),
                    other => return Err(unexpected(&other)),
                }
                Ok(())
            }
        }
    }
}

fn list(common: &Common) -> Result<(), Failed> {
    let keys = match common.data.ask(Ask::KeyList)? {
        Reply::Keys { keys, .. } => keys,
        other => return Err(unexpected(&other)),
    };
    if common.json {
        data(json!(keys));
        return Ok(());
    }
    for key in keys {
        let mark = if key.current { "seals anew" } else { "opens only" };
        data(format_args!("{}  {mark}  secrets {}", key.id, key.secrets));
    }
    Ok(())
}

fn rotate(desk: &Desk, json: bool) -> Result<(), Failed> {
    let all = match desk.ask(&Ask::KeyList)? {
        Reply::Keys { accounts, .. } => accounts,
        other => return Err(unexpected(&other)),
    };
    let id = match desk.ask(&Ask::KeyRotate)? {
        Reply::KeyAdded { id } => id,
        other => return Err(unexpected(&other)),
    };
    let mut progress = Progress::over(all, "accounts sealed anew");
    let (mut after, mut sealed) = (String::new(), 0);
    loop {
        match desk.ask(&Ask::KeyReseal { after })? {
            Reply::Resealed {
                accounts,
                secrets,
                next,
            } => {
                sealed += secrets;
                progress.advance(accounts);
                match next {
                    Some(name) => after = name,
                    None => break,
                }
            }
            other => return Err(unexpected(&other)),
        }
    }
    progress.end();
    if json {
        data(json!({ "key": id, "secrets": sealed }));
    } else {
        data(format_args!("{id}  seals anew  secrets {sealed}"));
        say("Back up the key ring now; the older keys are kept until you forget them.");
    }
    Ok(())
}
