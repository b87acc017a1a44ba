//! The file of rules for protected applications: read at the start, and anew when the operator asks for it by SIGHUP.
//!
//! Knows: where the file is. Must never know: what it says.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_auth::event::{Act, Ending, Event};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{OpenError, Plan, server_event};
use crate::edge::folder::read_optional;
use crate::service::Service;
use crate::service::rules::{Mistake, Rules};

/// Where the rules of an installation stand, and their text; none where there is no such file and none was named.
///
/// # Errors
/// [`OpenError::Io`].
pub fn read_rules(plan: &Plan) -> Result<(PathBuf, Option<String>), OpenError> {
    let path = plan.rules.clone().unwrap_or_else(|| plan.data.join("rules.toml"));
    let failed = |error: io::Error| {
        OpenError::Io(
            "rules",
            io::Error::new(error.kind(), format!("{}: {error}", path.display())),
        )
    };
    match read_optional(&path).map_err(failed)? {
        Some(bytes) => {
            let text = String::from_utf8(bytes);
            let text =
                text.map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8")))?;
            Ok((path, Some(text)))
        }
        None if plan.rules.is_some() => Err(failed(io::ErrorKind::NotFound.into())),
        None => Ok((path, None)),
    }
}

/// Mistakes as an operator is told them, one a line.
pub(super) fn told(path: &Path, mistakes: &[Mistake]) -> String {
    let line = |mistake: &Mistake| format!("{}: {mistake}", path.display());
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Reads the rules into the service. Whatever stands in the way, those that it has stay.
pub(super) fn open(plan: &Plan, service: &Service) -> Result<usize, OpenError> {
    let (path, text) = read_rules(plan)?;
    let rules = Rules::parse_for(&text.unwrap_or_default(), service.policy().session_s)
        .map_err(|mistakes| OpenError::Rules(path, mistakes))?;
    let hosts = rules.hosts();
    service.rules().replace(rules);
    Ok(hosts)
}

/// Reads the rules anew at every SIGHUP, until `stop`.
///
/// The signal is heard from the call on, and not from the first poll: before, it would end the process.
pub(super) fn follow(plan: Plan, service: Arc<Service>, stop: CancellationToken) -> impl Future<Output = ()> {
    let hangup = signal(SignalKind::hangup());
    async move {
        let mut hangup = match hangup {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(%error, "SIGHUP can't be heard; the rules are read at the start alone");
                return;
            }
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {}
            }
            let event = reopen(&plan, &service);
            if let Err(failure) = service.note(vec![event]).await {
                tracing::warn!(%failure, "the audit does not know that the rules were read");
            }
        }
    }
}

/// Reads the rules anew, and says what came of it for the audit.
fn reopen(plan: &Plan, service: &Service) -> Event {
    match open(plan, service) {
        Ok(hosts) => {
            tracing::info!(hosts, "the rules were read anew");
            server_event(Act::RulesReload)
        }
        Err(error) => {
            tracing::error!(%error, "the rules could not be read anew; the old ones stay");
            Event {
                result: Ending::Refused,
                ..server_event(Act::RulesReload)
            }
        }
    }
}
