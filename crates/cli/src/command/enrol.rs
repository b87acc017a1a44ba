//! `countersign enrol`: a further authenticator for an account, shown in whatever form it is scanned from.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_server::service::operator::{Ask, Reply, UserAdded};
use fast_qr::{QRBuilder, QRCode};

use super::user::unexpected;
use crate::installation::Common;
use crate::out::{Failed, data, say};
use crate::qr;

/// Make a second factor for an account, confirmed at once because you vouch for it.
#[derive(Args)]
pub(crate) struct Enrol {
    /// The account's name
    name: String,
    /// A name for the factor
    #[arg(long, default_value = "")]
    label: String,
    /// Write the code as a PNG picture
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Write the code as an SVG picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print the otpauth URI instead of a code to scan
    #[arg(long)]
    uri: bool,
    #[command(flatten)]
    common: Common,
}

impl Enrol {
    pub(crate) fn run(self) -> Result<(), Failed> {
        // Asked before anything is made: a factor whose code can't be shown helps nobody.
        if let Some(path) = self.png.iter().chain(&self.svg).find(|path| path.exists()) {
            return Err(Failed::Usage(format!(
                "{} exists already; name another file",
                path.display()
            )));
        }
        let ask = Ask::UserEnrol {
            name: self.name.clone(),
            label: self.label.clone(),
        };
        let added = match self.common.data.ask(ask)? {
            Reply::UserAdded(added) => added,
            other => return Err(unexpected(&other)),
        };
        let uri = added.otpauth_uri.as_deref().unwrap_or_default();
        let code = QRBuilder::new(uri)
            .build()
            .map_err(|_| Failed::Refused(format!("the name is too long for a code; the URI is {uri}")))?;
        if let Some(path) = &self.png {
            write(path, &qr::picture(&code))?;
        }
        if let Some(path) = &self.svg {
            write(path, qr::svg(&code).as_bytes())?;
        }
        self.show(&added, uri, &code);
        Ok(())
    }

    fn show(&self, added: &UserAdded, uri: &str, code: &QRCode) {
        let is_pictured = self.png.is_some() || self.svg.is_some();
        if self.common.json {
            data(serde_json::json!(added));
            return;
        }
        if self.uri {
            data(uri);
        } else if !is_pictured {
            data(qr::terminal(code));
        }
        for backup in &added.backup_codes {
            data(format_args!("backup code   {backup}"));
        }
        say("It is shown once; delete every file of it when it is scanned.");
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    made.and_then(|mut file| file.write_all(bytes))
        .map_err(|error| Failed::Unavailable(format!("{}: {error}", path.display())))
}
