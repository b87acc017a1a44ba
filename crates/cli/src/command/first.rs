//! `countersign init`, `setup-link`, `admin recover`: how somebody comes to administer an installation.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_server::service::operator::Ask;

use super::user::show;
use crate::installation::{Common, read_secret};
use crate::out::Failed;

/// Make the first administrator without a browser.
#[derive(Args)]
pub(crate) struct Init {
    /// The administrator's name
    #[arg(long, value_name = "NAME")]
    admin: String,
    /// File with the password, `-` for standard input; without it an invitation is printed
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Make a second factor, confirmed at once because you vouch for it
    #[arg(long)]
    totp: bool,
    #[command(flatten)]
    common: Common,
}

/// Print a new link that sets up the first administrator.
#[derive(Args)]
pub(crate) struct SetupLink {
    #[command(flatten)]
    common: Common,
}

/// Let an administrator who lost a factor begin anew.
#[derive(Args)]
pub(crate) struct Admin {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Remove password and second factors of an administrator, and print a link to begin anew
    Recover {
        /// The administrator's name
        name: String,
        #[command(flatten)]
        common: Common,
    },
}

impl Init {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let password = self.password_file.map(|path| read_secret(&path)).transpose()?;
        let ask = Ask::Init {
            name: self.admin,
            password,
            totp: self.totp,
        };
        self.common.carry_out(ask, show)
    }
}

impl SetupLink {
    pub(crate) fn run(self) -> Result<(), Failed> {
        self.common.carry_out(Ask::SetupLink, show)
    }
}

impl Admin {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let Action::Recover { name, common } = self.action;
        common.carry_out(Ask::AdminRecover { name }, show)
    }
}
