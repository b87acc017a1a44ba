//! `countersign clock`: what is thought of the clock, and an operator's word that it is right.

use clap::{Args, Subcommand};
use countersign_server::service::operator::{Ask, Reply};
use serde_json::json;

use super::user::unexpected;
use crate::installation::Data;
use crate::out::{Failed, data, say};

/// See and accept the clock.
#[derive(Args)]
pub(crate) struct Clock {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether requests can be answered, and what stands in the way
    Status {
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Believe the clock as it stands now; for after you have set it right
    Accept {
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Clock {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.action {
            Action::Accept { data: folder, json } => match folder.ask(Ask::ClockAccept)? {
                Reply::Done if json => {
                    data(json!({ "accepted": true }));
                    Ok(())
                }
                Reply::Done => {
                    say("the clock is believed again");
                    Ok(())
                }
                other => Err(unexpected(&other)),
            },
            Action::Status { data: folder, json } => match folder.ask(Ask::Status)? {
                Reply::Status {
                    clock_doubted,
                    trouble,
                    now,
                    ..
                } => {
                    if json {
                        data(json!({ "ready": trouble.is_none(), "trouble": trouble, "now": now }));
                    } else if trouble.is_none() {
                        data("ready");
                    }
                    match trouble {
                        None => Ok(()),
                        Some(trouble) if clock_doubted => Err(Failed::Clock(trouble)),
                        Some(trouble) => Err(Failed::Unavailable(trouble)),
                    }
                }
                other => Err(unexpected(&other)),
            },
        }
    }
}
