//! `countersign app` and `countersign signing`: applications that ask about tokens, and the keys that sign tokens.

use clap::{Args, Subcommand};
use countersign_server::service::operator::{Ask, Reply, SigningKeyView};
use serde_json::json;

use super::user::unexpected;
use crate::installation::Common;
use crate::out::{Failed, data, say};

/// Add, renew, remove and list the applications that may ask about tokens.
#[derive(Args)]
pub(crate) struct App {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add an application; its secret is shown once
    Add {
        /// Its name, which is its client_id
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Give an application another secret; the old one is void
    Renew {
        /// Its name
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Remove an application
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// List the applications
    List {
        #[command(flatten)]
        common: Common,
    },
}

impl App {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.action {
            Action::Add { name, common } => show(&common, name, false),
            Action::Renew { name, common } => show(&common, name, true),
            Action::Remove { name, common } => {
                match common.data.ask(Ask::AppRemove { name: name.clone() })? {
                    Reply::Done if common.json => {
                        data(json!({ "removed": name }));
                        Ok(())
                    }
                    Reply::Done => {
                        say(format_args!(
                            "{name} is removed; it can't ask about tokens any more"
                        ));
                        Ok(())
                    }
                    other => Err(unexpected(&other)),
                }
            }
            Action::List { common } => list(&common),
        }
    }
}

fn show(common: &Common, name: String, renew: bool) -> Result<(), Failed> {
    let added = match common.data.ask(Ask::AppAdd { name, renew })? {
        Reply::Application(added) => added,
        other => return Err(unexpected(&other)),
    };
    if common.json {
        data(json!({ "name": added.name, "secret": added.secret.as_str() }));
    } else {
        data(added.secret.as_str());
        say(format_args!(
            "This is the secret of {}; it is shown once. The application sends both as HTTP Basic.",
            added.name
        ));
    }
    Ok(())
}

fn list(common: &Common) -> Result<(), Failed> {
    let applications = match common.data.ask(Ask::AppList)? {
        Reply::Applications { applications } => applications,
        other => return Err(unexpected(&other)),
    };
    if common.json {
        data(json!(applications));
        return Ok(());
    }
    for application in applications {
        data(application.name);
    }
    Ok(())
}

/// List and rotate the keys that sign tokens.
#[derive(Args)]
pub(crate) struct Signing {
    #[command(subcommand)]
    action: SigningAction,
}

#[derive(Subcommand)]
enum SigningAction {
    /// List the signing keys, oldest first
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Publish another key, which signs in 300 s; the old one is believed until its last token has ended
    Rotate {
        #[command(flatten)]
        common: Common,
    },
}

impl Signing {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let (common, ask) = match self.action {
            SigningAction::List { common } => (common, Ask::SigningList),
            SigningAction::Rotate { common } => (common, Ask::SigningRotate),
        };
        let keys = match common.data.ask(ask)? {
            Reply::SigningKeys { keys } => keys,
            other => return Err(unexpected(&other)),
        };
        if common.json {
            data(json!(keys));
            return Ok(());
        }
        for SigningKeyView {
            id,
            signs_from,
            ends_at,
        } in keys
        {
            let end = ends_at.map_or_else(|| "the newest".to_owned(), |at| format!("believed until {at}"));
            data(format_args!("{id}  signs from {signs_from}  {end}"));
        }
        Ok(())
    }
}
