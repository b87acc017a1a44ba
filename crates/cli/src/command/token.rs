//! `countersign user token`: tokens that an account's programs show, as an operator manages them.

use clap::{Args, Subcommand};
use countersign_server::service::operator::{ApiTokenView, Ask, Reply};
use serde_json::json;

use super::user::unexpected;
use crate::installation::Common;
use crate::out::{Failed, data, say};

/// Make, list and revoke tokens for an account's programs.
#[derive(Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a token, shown once; its owner is told
    Add {
        /// The account's name
        name: String,
        /// What the token is called
        label: String,
        /// Days that it lives, 1 to 366
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// A protected host it is good at; may be given several times, all of them when left out
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List an account's tokens, the newest in front
    List {
        /// The account's name
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Revoke a token at once
    Revoke {
        /// The account's name
        name: String,
        /// The token's identifier, as `list` shows it
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

impl Token {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.action {
            Action::Add {
                name,
                label,
                days,
                hosts,
                common,
            } => {
                let ask = Ask::UserTokenAdd {
                    name,
                    label,
                    days,
                    hosts,
                };
                add(&common, ask)
            }
            Action::List { name, common } => list(&common, name),
            Action::Revoke { name, id, common } => {
                match common.data.ask(Ask::UserTokenRevoke { name, id: id.clone() })? {
                    Reply::Done if common.json => data(json!({ "revoked": id })),
                    Reply::Done => say(format_args!("{id} is revoked; whoever shows it is nobody")),
                    other => return Err(unexpected(&other)),
                }
                Ok(())
            }
        }
    }
}

fn add(common: &Common, ask: Ask) -> Result<(), Failed> {
    let made = match common.data.ask(ask)? {
        Reply::ApiToken(made) => made,
        other => return Err(unexpected(&other)),
    };
    if common.json {
        data(json!(made));
    } else {
        data(made.token.as_str());
        say(format_args!(
            "This is the token {}; it is shown once. A program sends it as Authorization: Bearer.",
            made.kept.id
        ));
    }
    Ok(())
}

fn list(common: &Common, name: String) -> Result<(), Failed> {
    let tokens = match common.data.ask(Ask::UserTokenList { name })? {
        Reply::ApiTokens { tokens } => tokens,
        other => return Err(unexpected(&other)),
    };
    if common.json {
        data(json!(tokens));
        return Ok(());
    }
    for token in tokens {
        let ApiTokenView { id, label, hosts, .. } = &token;
        let hosts = match hosts.is_empty() {
            true => "every host".to_owned(),
            false => hosts.join(","),
        };
        let used = match token.last_used {
            Some(at) => format!("last used {at}"),
            None => "never used".to_owned(),
        };
        data(format_args!(
            "{id}  {label}  {hosts}  {used}  until {}",
            token.expires_at
        ));
    }
    Ok(())
}
