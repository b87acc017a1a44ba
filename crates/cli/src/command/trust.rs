//! `countersign trust`: the certificate that clients, devices and proxies pin.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use clap::Args;
use countersign_server::edge::{certificate, stranger};
use countersign_server::settings::TlsChoice;
use serde_json::json;

use crate::installation::Common;
use crate::out::{Failed, data, say, text};

/// Time for connecting, and for each answer of the handshake.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Print the authority's certificate, and its fingerprint on standard error.
#[derive(Args)]
pub(crate) struct Trust {
    /// Fetch it from a server, as in `https://id.example.org:8443`, instead of reading the data folder
    url: Option<String>,
    /// The fingerprint it must have: exit 1 when it has another
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Trust {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let pem = match &self.url {
            Some(url) => fetch(url)?,
            None => self.own()?,
        };
        let found = certificate::fingerprint_of(&pem).map_err(Failed::unavailable)?;
        if let Some(wanted) = &self.fingerprint {
            let wanted = wanted
                .trim_start_matches("sha256:")
                .replace(':', "")
                .to_ascii_lowercase();
            if wanted != found {
                return Err(Failed::Refused(format!(
                    "the certificate has the fingerprint sha256:{found}, which is another one; do not trust it"
                )));
            }
        }
        if self.common.json {
            data(json!({ "fingerprint": found, "certificate": pem }));
            return Ok(());
        }
        text(&pem);
        say(format_args!("sha256:{found}"));
        if self.url.is_some() && self.fingerprint.is_none() {
            say("Whoever stood between you and the server could have sent it: compare the fingerprint");
            say("with the one that the server printed at its start before you trust it.");
        }
        Ok(())
    }

    fn own(&self) -> Result<String, Failed> {
        let settings = self.common.data.settings()?;
        let path = match (settings.tls, settings.tls_chain) {
            (TlsChoice::Files, Some(chain)) => chain,
            _ => settings.data.join("tls/ca.pem"),
        };
        std::fs::read_to_string(&path).map_err(|error| {
            let remedy = "it is made when the server first starts";
            Failed::Unavailable(format!("{}: {error}; {remedy}", path.display()))
        })
    }
}

/// The last certificate of the chain that a server shows, whoever it is.
fn fetch(url: &str) -> Result<String, Failed> {
    let rest = url
        .strip_prefix("https://")
        .ok_or_else(|| Failed::Usage("the address begins with https://".into()))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    };
    let host = address
        .rsplit_once(':')
        .map_or("", |(host, _)| host)
        .trim_matches(['[', ']']);
    let unreachable = |error: std::io::Error| Failed::Unavailable(format!("{address}: {error}"));
    let resolved = address.to_socket_addrs().map_err(unreachable)?.next();
    let resolved = resolved.ok_or_else(|| Failed::Unavailable(format!("{address} has no address")))?;
    let stream = TcpStream::connect_timeout(&resolved, TIME_MAX).map_err(unreachable)?;
    stream.set_read_timeout(Some(TIME_MAX)).map_err(unreachable)?;
    stream.set_write_timeout(Some(TIME_MAX)).map_err(unreachable)?;
    stranger::certificate(stream, host).map_err(unreachable)
}
