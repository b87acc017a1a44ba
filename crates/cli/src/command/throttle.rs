//! `countersign throttle`: who is held off, and how to let them in again.
//!
//! Knows: how a list goes on over its pages. Must never know: what closes a budget.

use clap::{Args, Subcommand};
use countersign_server::service::operator::{Ask, Reply, Throttles, spelt};
use serde_json::json;

use super::user::unexpected;
use crate::installation::{Common, Desk};
use crate::out::{Failed, data, say};

/// See who is held off, and let them in again.
#[derive(Args)]
pub(crate) struct Throttle {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List accounts of which something is closed, or half of a budget is used
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Forget what is counted against an account, or against a source
    Lift {
        /// The account's name
        #[arg(required_unless_present = "source", conflicts_with = "source")]
        name: Option<String>,
        /// A source over all names: an IPv4 address, an IPv6 address (its /64 counts), or unix
        #[arg(long, value_name = "NETWORK")]
        source: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

impl Throttle {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.action {
            Action::List { common } => list(&common),
            Action::Lift { name, source, common } => {
                let ask = match source {
                    Some(source) => Ask::ThrottleLift { source },
                    None => Ask::UserUnlock {
                        name: name.unwrap_or_default(),
                    },
                };
                match common.data.ask(ask)? {
                    Reply::Done if common.json => data(json!({ "done": true })),
                    Reply::Done => say("done"),
                    other => return Err(unexpected(&other)),
                }
                Ok(())
            }
        }
    }
}

fn list(common: &Common) -> Result<(), Failed> {
    let desk = common.data.open_existing()?;
    let listed = every_page(&desk, common.json);
    desk.close()?;
    let last = listed?;
    if !common.json {
        let Throttles {
            entries,
            entries_max,
            buckets_full,
            ..
        } = last;
        say(format_args!(
            "the table holds {entries} of {entries_max} entries; {buckets_full} of its buckets are full"
        ));
    }
    Ok(())
}

/// Shows page after page, and answers the last one.
fn every_page(desk: &Desk, json: bool) -> Result<Throttles, Failed> {
    let mut after = String::new();
    loop {
        let page = match desk.ask(&Ask::ThrottleList { after })? {
            Reply::Throttles(page) => page,
            other => return Err(unexpected(&other)),
        };
        for account in &page.accounts {
            if json {
                data(json!(account));
                continue;
            }
            for one in &account.credentials {
                let until = one.until.map(|until| format!(", until {}", spelt(until)));
                let (name, until) = (&account.name, until.unwrap_or_default());
                data(format_args!("{name}  {}  {}{until}", one.credential, one.told()));
            }
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(page),
        }
    }
}
