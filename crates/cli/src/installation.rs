//! Where a command that changes state is carried out: by the running server, or by this process on the
//! resting folder.
//!
//! Knows: the control socket and the folder's lock. Must never know: what is asked.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use countersign_server::service::operator::{Ask, Operator, Reply};
use countersign_server::settings::Settings;
use countersign_server::wiring::{Installation, Plan};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use crate::out::{Failed, data};
use crate::settings::resolve;

/// Time a running server gets to answer; a copy of a large database is the longest it is asked for.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(1800);

/// Which installation is meant.
#[derive(Args, Clone)]
pub(crate) struct Data {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The settings file, instead of countersign.toml in the data folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What every command about an installation takes.
#[derive(Args, Clone)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// An installation that can be asked several times: the running server, or the folder held by this process.
pub(crate) enum Desk {
    Running(PathBuf),
    Resting(Box<Resting>),
}

/// A folder held by this process.
pub(crate) struct Resting {
    runtime: Runtime,
    installation: Installation,
    operator: Operator,
}

impl Data {
    /// The installation's settings.
    pub(crate) fn settings(&self) -> Result<Settings, Failed> {
        let flag = |name: &str, path: &Option<PathBuf>| {
            let text = path.as_ref().map(|path| path.to_string_lossy().into_owned());
            text.map(|text| (name.to_owned(), text))
        };
        let flags = flag("data", &self.data)
            .into_iter()
            .chain(flag("config", &self.config));
        resolve(flags.collect()).map(|(settings, _)| settings)
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failed> {
        Ok(self.settings()?.data)
    }

    /// Finds out who answers, and refuses to make an installation where there is none.
    pub(crate) fn open_existing(&self) -> Result<Desk, Failed> {
        let plan = Plan::of(&self.settings()?);
        if !Installation::exists(&plan) {
            let data = plan.data.display();
            return Err(Failed::Usage(format!(
                "{data}: there is no installation; name its folder by --data"
            )));
        }
        self.open()
    }

    /// Finds out who answers.
    pub(crate) fn open(&self) -> Result<Desk, Failed> {
        let plan = Plan::of(&self.settings()?);
        if Installation::is_running(&plan.data).map_err(Failed::unavailable)? {
            return Ok(Desk::Running(plan.data.join("control.sock")));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Failed::unavailable)?;
        let installation = Installation::open(&plan).map_err(Failed::unavailable)?;
        let operator = installation.resting_operator(&plan);
        Ok(Desk::Resting(Box::new(Resting {
            runtime,
            installation,
            operator,
        })))
    }

    /// Has one request carried out.
    pub(crate) fn ask(&self, ask: Ask) -> Result<Reply, Failed> {
        let desk = self.open()?;
        let reply = desk.ask(&ask);
        desk.close()?;
        reply
    }
}

impl Desk {
    /// Has a request carried out.
    pub(crate) fn ask(&self, ask: &Ask) -> Result<Reply, Failed> {
        let reply = match self {
            Desk::Running(socket) => over_socket(socket, ask).map_err(|error| {
                Failed::Unavailable(format!("the running server can't be asked: {error}"))
            })?,
            Desk::Resting(resting) => resting
                .runtime
                .block_on(resting.operator.answer(ask.clone(), "command line")),
        };
        match reply {
            Reply::Refused { why, .. } => Err(Failed::Refused(why)),
            Reply::Failed { why } => Err(Failed::Unavailable(why)),
            reply => Ok(reply),
        }
    }

    /// Leaves the folder as a server would.
    pub(crate) fn close(self) -> Result<(), Failed> {
        match self {
            Desk::Running(_) => Ok(()),
            Desk::Resting(resting) => {
                let Resting {
                    runtime,
                    installation,
                    operator,
                } = *resting;
                // The last to hold the service ends it.
                drop(operator);
                runtime
                    .block_on(installation.close())
                    .map_err(Failed::unavailable)
            }
        }
    }
}

fn over_socket(path: &Path, ask: &Ask) -> std::io::Result<Reply> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    let mut line = Zeroizing::new(serde_json::to_string(ask)?);
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = Zeroizing::new(String::new());
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// Reads a secret from a file, `-` for standard input, without its trailing line end.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, Failed> {
    let read = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let mut text =
        Zeroizing::new(read.map_err(|error| Failed::Usage(format!("{}: {error}", path.display())))?);
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    Ok(text)
}

impl Common {
    /// Has one request carried out and prints its reply, as JSON or for people.
    pub(crate) fn carry_out(&self, ask: Ask, show: fn(&Reply) -> Result<(), Failed>) -> Result<(), Failed> {
        let reply = self.data.ask(ask)?;
        if !self.json {
            return show(&reply);
        }
        match &reply {
            Reply::UserAdded(added) => data(serde_json::json!(added)),
            Reply::Ticket(ticket) => data(serde_json::json!(ticket)),
            other => return Err(crate::command::user::unexpected(other)),
        }
        Ok(())
    }
}
