//! `countersign serve`: the server, until it is told to stop.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use countersign_server::service::operator::Ticket;
use countersign_server::settings::Profile;
use countersign_server::wiring::{self, Plan, Ready, Setup};
use fast_qr::QRBuilder;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::out::{Failed, data, say};
use crate::qr;
use crate::settings::SettingFlags;

/// Serve the API and the pages.
#[derive(Args, Default)]
pub(crate) struct Serve {
    #[command(flatten)]
    flags: SettingFlags,
}

impl Serve {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let settings = self.flags.settings()?;
        start_log(&settings.log);
        if settings.profile == Profile::Development {
            say("countersign: the development profile protects nobody; use it for trying out only");
        }
        let plan = Plan {
            attended: std::io::stderr().is_terminal(),
            ..Plan::of(&settings)
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
        served.map_err(|error| match error.is_clock() {
            true => Failed::Clock(error.to_string()),
            false if error.is_written_wrongly() => Failed::Usage(error.to_string()),
            false => Failed::unavailable(error),
        })
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
    if let Ok(code) = QRBuilder::new(ticket.link.as_str()).build() {
        say(qr::terminal(&code));
    }
}

/// The log goes to standard error: text on a terminal, JSON lines elsewhere.
fn start_log(filter: &str) {
    let filter = EnvFilter::new(filter);
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
