//! Where a command that changes state is carried out: by the running server, or by this process on the
//! resting folder.
//!
//! Knows: the control socket and the folder's lock. Must never know: what is asked.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use countersign_server::service::operator::{Ask, Reply};
use countersign_server::wiring::{Installation, OpenError};
use zeroize::Zeroizing;

use crate::command::serve::plan;
use crate::out::Failed;

/// Time a running server gets to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// Which installation is meant.
#[derive(Args, Clone)]
pub(crate) struct Data {
    /// The data folder
    #[arg(long, env = "COUNTERSIGN_DATA", default_value = "data", value_name = "DIR")]
    pub(crate) data: PathBuf,
}

impl Data {
    /// Has one request carried out.
    pub(crate) fn ask(&self, ask: Ask) -> Result<Reply, Failed> {
        let mut asker = self.asker()?;
        let reply = asker.ask(ask);
        asker.close()?;
        reply
    }

    /// Finds out who answers: the running server, or this process once it holds the folder.
    pub(crate) fn asker(&self) -> Result<Asker, Failed> {
        let unavailable = |error: OpenError| Failed::Unavailable(error.to_string());
        if Installation::is_running(&self.data).map_err(unavailable)? {
            return Ok(Asker::Socket(self.data.join("control.sock")));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failed::Unavailable(error.to_string()))?;
        let installation = Installation::open(&plan(&self.data)).map_err(unavailable)?;
        Ok(Asker::Own(Box::new((runtime, installation))))
    }
}

/// Who answers an operator's requests.
pub(crate) enum Asker {
    /// The running server, at its control socket.
    Socket(PathBuf),
    /// This process, which holds the folder.
    Own(Box<(tokio::runtime::Runtime, Installation)>),
}

impl Asker {
    /// Has a request carried out.
    pub(crate) fn ask(&mut self, ask: Ask) -> Result<Reply, Failed> {
        let reply = match self {
            Asker::Socket(path) => over_socket(path, &ask).map_err(|error| {
                Failed::Unavailable(format!("the running server can't be asked: {error}"))
            })?,
            Asker::Own(own) => own.0.block_on(own.1.service.operate(ask, "command line")),
        };
        match reply {
            Reply::Refused { why } => Err(Failed::Refused(why)),
            Reply::Failed { why } => Err(Failed::Unavailable(why)),
            reply => Ok(reply),
        }
    }

    /// Writes down what is only in memory.
    pub(crate) fn close(self) -> Result<(), Failed> {
        match self {
            Asker::Socket(_) => Ok(()),
            Asker::Own(own) => {
                let (runtime, installation) = *own;
                let closed = runtime.block_on(installation.close());
                closed.map_err(|error| Failed::Unavailable(error.to_string()))
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
