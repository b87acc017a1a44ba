//! `countersign serve`: the server, until it is told to stop.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use countersign_server::service::hashing::Cost;
use countersign_server::service::operator::Ticket;
use countersign_server::wiring::{self, Plan, Ready, Setup, Tls};
use fast_qr::QRBuilder;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::out::{Failed, data, say};

/// Serve the API and the pages.
#[derive(Args)]
pub(crate) struct Serve {
    /// The data folder
    #[arg(long, env = "COUNTERSIGN_DATA", default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// Address and port; port 0 picks a free one
    #[arg(
        long,
        env = "COUNTERSIGN_LISTEN",
        default_value = "127.0.0.1:8443",
        value_name = "ADDR:PORT"
    )]
    listen: SocketAddr,
    /// TLS by the installation's own authority, or none (on loopback only)
    #[arg(long, env = "COUNTERSIGN_TLS", value_enum, default_value_t = TlsChoice::Own)]
    tls: TlsChoice,
}

#[derive(Clone, Copy, ValueEnum)]
enum TlsChoice {
    Own,
    Off,
}

impl Default for Serve {
    fn default() -> Serve {
        Serve {
            data: "data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            tls: TlsChoice::Own,
        }
    }
}

/// The plan of an untouched installation in a folder.
pub(crate) fn plan(data: &Path) -> Plan {
    Plan {
        data: data.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
        tls: Tls::Own,
        names: own_names(),
        public_url: None,
        policy: countersign_auth::policy::Policy::default(),
        cost: Cost::PRODUCTION,
        hash_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        node: "main".into(),
        attended: false,
    }
}

/// The names this machine is reached by: localhost, loopback, its host name and that name on the local link.
fn own_names() -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim().to_ascii_lowercase();
    let is_label = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    if !host.is_empty() && host.len() <= 63 && is_label(&host) && host != "localhost" {
        names.push(format!("{host}.local"));
        names.push(host);
    }
    names
}

impl Serve {
    pub(crate) fn run(self) -> Result<(), Failed> {
        start_log();
        let tls = match self.tls {
            TlsChoice::Own => Tls::Own,
            TlsChoice::Off => Tls::Off,
        };
        let plan = Plan {
            listen: self.listen,
            tls,
            attended: std::io::stderr().is_terminal(),
            ..plan(&self.data)
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failed::Unavailable(error.to_string()))?;
        let folder = plan.data.clone();
        let served = runtime.block_on(async {
            let stop = CancellationToken::new();
            tokio::spawn(stop_on_signal(stop.clone()));
            wiring::serve(plan, stop, |ready| announce(ready, &folder)).await
        });
        served.map_err(|error| Failed::Unavailable(error.to_string()))
    }
}

/// One line for programs on standard output; the rest is for people, and a ticket only for a terminal.
fn announce(ready: &Ready, folder: &Path) {
    match ready.fingerprint.as_str() {
        "" => data(format_args!("listening {}", ready.url)),
        fingerprint => data(format_args!("listening {} sha256:{fingerprint}", ready.url)),
    }
    match &ready.setup {
        Setup::Done => {}
        Setup::Needed => say(format_args!(
            "countersign: nobody administers this installation yet; run `countersign setup-link --data {}`",
            folder.display()
        )),
        Setup::Link(ticket) => invite(ticket, folder),
    }
}

/// Shows the first administrator the way in.
fn invite(ticket: &Ticket, folder: &Path) {
    say(format_args!(
        "Countersign {}  data {}",
        env!("CARGO_PKG_VERSION"),
        folder.display()
    ));
    let minutes = ticket.expires_in / 60;
    say(format_args!(
        "Set up the first administrator within {minutes} minutes:"
    ));
    say(format_args!("  {}", ticket.link));
    if let Ok(qr) = QRBuilder::new(ticket.link.as_str()).build() {
        say(qr.to_str());
    }
}

/// The log goes to standard error: text on a terminal, JSON lines elsewhere; `COUNTERSIGN_LOG` chooses what.
fn start_log() {
    let filter = EnvFilter::try_from_env("COUNTERSIGN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second logger in one process would be ours to blame; there is none.
    let _ = if std::io::stderr().is_terminal() {
        log.try_init()
    } else {
        log.json().try_init()
    };
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    stop.cancel();
}
