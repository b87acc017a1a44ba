//! `countersign doctor`: what is wrong with an installation's clock, store and keys, or with a secret and a
//! code.

use std::path::PathBuf;

use clap::Args;
use countersign_core::otp::Verdict;
use countersign_server::edge::entropy::SystemEntropy;
use countersign_server::edge::ntp;
use countersign_server::service::operator::{Ask, Reply};
use serde_json::json;

use super::proof::{self, Parameters};
use super::user::unexpected;
use crate::installation::Common;
use crate::out::{Failed, data};

/// Time steps around now in which a code's own is looked for.
const STEPS: u8 = 20;
/// Seconds by which the clock may be off: half a time step, beyond which codes of people begin to fail.
const OFFSET_S_MAX: f64 = 15.0;

/// Examine an installation, or a secret and a code; exit 4 when the clock can't be believed.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Examine this secret instead: file in Base32, `-` for standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Find the time step of this code: file, `-` for standard input, behind the secret
    #[arg(long, value_name = "FILE", requires = "secret_file")]
    code_file: Option<PathBuf>,
    /// Compare the clock with a time server's as well; exit 4 when it is off by more than 15 s
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "secret_file")]
    ntp: Option<String>,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    common: Common,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match &self.secret_file {
            Some(path) => self.examine_secret(path),
            None => self.examine_installation(),
        }
    }

    fn examine_secret(&self, path: &std::path::Path) -> Result<(), Failed> {
        let (secret, code) = proof::read(path, self.code_file.as_ref())?;
        let (bytes, strength) = (secret.expose().len(), proof::strength(&secret));
        let verdict = code
            .map(|code| self.parameters.judge(&secret, &code, STEPS))
            .transpose()?;
        let steps = match verdict {
            Some(Verdict::Accepted { drift, .. }) => Some(drift),
            _ => None,
        };
        if self.common.json {
            data(json!({ "bytes": bytes, "strength": strength, "steps": steps }));
        } else {
            data(format_args!("secret  {bytes} bytes: {strength}"));
            if let Some(steps) = steps {
                let seconds = i64::from(steps) * i64::from(self.parameters.period());
                data(format_args!(
                    "code    {steps} time steps from now; that clock is off by about {seconds} s"
                ));
            }
        }
        match verdict {
            Some(Verdict::ClockNotSet) => Err(Failed::Clock(
                "the clock is not set; set it, or give --time".into(),
            )),
            Some(_) if steps.is_none() => Err(Failed::Refused(format!(
                "the code belongs to none of the {STEPS} time steps before and after now; \
                 compare secret, digits, algorithm and period"
            ))),
            _ => Ok(()),
        }
    }

    fn examine_installation(&self) -> Result<(), Failed> {
        let desk = self.common.data.open()?;
        let status = desk.ask(&Ask::Status)?;
        let keys = desk.ask(&Ask::KeyList);
        desk.close()?;
        let Reply::Status {
            clock_doubted,
            trouble,
            now,
            high_water,
        } = status
        else {
            return Err(unexpected(&status));
        };
        let Reply::Keys { keys, accounts } = keys? else {
            return Err(Failed::unavailable("the keys could not be listed"));
        };
        let (behind_s, out_of_reach) = match self.ntp.as_deref().map(compare).transpose() {
            Ok(behind_s) => (behind_s, None),
            Err(failed) => (None, Some(failed)),
        };
        let since = i64::try_from(now).unwrap_or(0) - i64::try_from(high_water).unwrap_or(0);
        if self.common.json {
            data(json!({
                "trouble": trouble, "clock": { "now": now, "behind_s": behind_s, "since_last_decision_s": since },
                "accounts": accounts, "keys": keys,
            }));
        } else {
            data(format_args!("clock   {now}, {since} s after the last decision"));
            if let Some(behind_s) = behind_s {
                data(format_args!("offset  {behind_s:.3} s behind the time server"));
            }
            data(format_args!("store   answers, {accounts} accounts"));
            data(format_args!("keys    {} that seal or open", keys.len()));
        }
        match trouble {
            None if behind_s.is_some_and(|behind_s| behind_s.abs() > OFFSET_S_MAX) => Err(Failed::Clock(
                "the clock is off by more than half a time step; set it, and keep it set by a time service"
                    .into(),
            )),
            None => out_of_reach.map_or(Ok(()), Err),
            Some(trouble) if clock_doubted => Err(Failed::Clock(trouble)),
            Some(trouble) => Err(Failed::Unavailable(trouble)),
        }
    }
}

/// Seconds by which the clock is behind a time server's.
fn compare(server: &str) -> Result<f64, Failed> {
    ntp::behind_s(server, &mut SystemEntropy)
        .map_err(|error| Failed::Unavailable(format!("time server {server}: {error}")))
}
