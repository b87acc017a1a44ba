//! What `verify` and `doctor` share: a secret and a code to try, and the parameters they are tried with.
//!
//! Both are read from files or standard input: an argument can be seen by everybody on the machine.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_core::otp::{
    AcceptanceWindow, Algorithm, Code, Digits, Presented, SecretStrength, SharedSecret, Totp, Verdict,
};
use countersign_core::time::{TimeStep, UnixSeconds};
use countersign_server::edge::clock::SystemClock;
use countersign_server::service::clock::Clock;
use zeroize::Zeroizing;

use crate::installation::read_secret;
use crate::out::Failed;

/// Parameters of a time-based code.
#[derive(Args)]
pub(crate) struct Parameters {
    /// Digits of the code
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(6..=8))]
    digits: u8,
    /// Hash function: sha1, sha256 or sha512
    #[arg(long, default_value = "sha1")]
    algorithm: Algorithm,
    /// Seconds of a time step
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    period: u32,
    /// Seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
}

impl Parameters {
    pub(crate) fn now(&self) -> UnixSeconds {
        self.time.map_or_else(|| SystemClock.wall(), UnixSeconds)
    }

    /// Tries a code within so many time steps of now, each way.
    pub(crate) fn judge(&self, secret: &SharedSecret, code: &str, steps: u8) -> Result<Verdict, Failed> {
        let totp = Totp {
            algorithm: self.algorithm,
            digits: Digits::new(self.digits).ok_or_else(|| Failed::Usage("--digits is 6, 7 or 8".into()))?,
            time_step: TimeStep::new(self.period)
                .ok_or_else(|| Failed::Usage("--period is at least 1".into()))?,
            t0: UnixSeconds(0),
        };
        let code = Code::parse(code, totp.digits).map_err(|error| Failed::Usage(format!("code: {error}")))?;
        let presented = Presented {
            now: self.now(),
            window: AcceptanceWindow {
                past: steps,
                future: steps,
            },
            drift: 0,
            last_accepted: None,
        };
        Ok(totp.verify(secret, &code, presented))
    }

    pub(crate) fn period(&self) -> u32 {
        self.period
    }
}

/// Reads a secret and, where one is to be read, a code; from standard input they stand in this order, a line
/// each.
pub(crate) fn read(
    secret: &Path,
    code: Option<&PathBuf>,
) -> Result<(SharedSecret, Option<Zeroizing<String>>), Failed> {
    let stdin = Path::new("-");
    let text = read_secret(secret)?;
    let (secret, code) = match code {
        Some(path) if path == stdin && secret == stdin => {
            let (secret, code) = text.split_once('\n').ok_or_else(|| {
                Failed::Usage("standard input gives the secret, then the code, a line each".into())
            })?;
            (
                Zeroizing::new(secret.to_owned()),
                Some(Zeroizing::new(code.trim_end().to_owned())),
            )
        }
        Some(path) => (text, Some(read_secret(path)?)),
        None => (text, None),
    };
    let secret = SharedSecret::from_base32(secret.trim())
        .map_err(|error| Failed::Usage(format!("secret: {error}")))?;
    Ok((secret, code))
}

/// What a strength means to whoever holds the secret.
pub(crate) fn strength(secret: &SharedSecret) -> &'static str {
    match secret.strength() {
        SecretStrength::Sample => "a sample that everybody knows; never use it",
        SecretStrength::Short => "below 80 bits; no server should accept it",
        SecretStrength::Weak => "80 to 127 bits; below what RFC 4226 demands",
        SecretStrength::Acceptable => "128 to 159 bits; what RFC 4226 demands",
        SecretStrength::Recommended => "160 bits or more; what RFC 4226 recommends",
    }
}
