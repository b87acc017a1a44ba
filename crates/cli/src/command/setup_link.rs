//! `countersign setup-link`: a new link for the first administrator.

use clap::Args;
use countersign_server::service::operator::{Ask, Reply};
use serde_json::json;

use super::serve;
use super::user::unexpected;
use crate::installation::Data;
use crate::out::{Failed, data, say};

/// Issue a link by which the first administrator is set up; once there is one, `user reset` does the same for
/// anybody.
#[derive(Args)]
pub(crate) struct SetupLink {
    #[command(flatten)]
    data: Data,
    /// The base of the link
    #[arg(
        long,
        env = "COUNTERSIGN_PUBLIC_URL",
        default_value = "https://localhost:8443",
        value_name = "URL"
    )]
    public_url: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl SetupLink {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let ticket = match self.data.ask(Ask::SetupLink)? {
            Reply::Ticket(ticket) => ticket,
            other => return Err(unexpected(&other)),
        };
        let link = serve::setup_link(self.public_url.trim_end_matches('/'), &ticket.ticket);
        if self.json {
            data(json!({ "ticket": ticket.ticket, "link": link, "expires_in": ticket.expires_in }));
        } else {
            data(link);
            say(format_args!(
                "It works once, within {} minutes.",
                ticket.expires_in / 60
            ));
        }
        Ok(())
    }
}
