//! `countersign code`: a one-time code from a secret, as an authenticator makes it.

use std::path::PathBuf;

use clap::Args;
use countersign_core::otp::{Algorithm, Counter, Digits, Hotp, SecretStrength, SharedSecret, Totp};
use countersign_core::time::{TimeStep, UnixSeconds};
use countersign_server::edge::clock::SystemClock;
use countersign_server::service::clock::Clock;
use serde_json::json;

use crate::installation::read_secret;
use crate::out::{Failed, data, say};

/// Generate a one-time code.
#[derive(Args)]
pub(crate) struct Code {
    /// File with the secret in Base32, `-` for standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    secret_file: PathBuf,
    /// Digits of the code
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(6..=8))]
    digits: u8,
    /// Hash function: sha1, sha256 or sha512
    #[arg(long, default_value = "sha1")]
    algorithm: Algorithm,
    /// Seconds of a time step
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "hotp")]
    period: u32,
    /// Seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS", conflicts_with = "hotp")]
    time: Option<u64>,
    /// A counter-based code
    #[arg(long, requires = "counter")]
    hotp: bool,
    /// The counter
    #[arg(long, value_name = "N", requires = "hotp")]
    counter: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Code {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let secret = SharedSecret::from_base32(&read_secret(&self.secret_file)?)
            .map_err(|error| Failed::Usage(format!("secret: {error}")))?;
        match secret.strength() {
            SecretStrength::Sample => {
                say("warning: this is a sample secret that everybody knows; never use it")
            }
            SecretStrength::Short => {
                say("warning: this secret is shorter than 80 bits; no server should accept it")
            }
            _ => {}
        }
        let digits = Digits::new(self.digits).ok_or_else(|| Failed::Usage("--digits is 6, 7 or 8".into()))?;
        if let Some(counter) = self.counter {
            let hotp = Hotp {
                algorithm: self.algorithm,
                digits,
            };
            let code = hotp.generate(&secret, Counter(counter));
            match self.json {
                true => data(json!({ "code": code.to_string(), "counter": counter })),
                false => data(code),
            }
            return Ok(());
        }
        let time_step =
            TimeStep::new(self.period).ok_or_else(|| Failed::Usage("--period is at least 1".into()))?;
        let totp = Totp {
            algorithm: self.algorithm,
            digits,
            time_step,
            t0: UnixSeconds(0),
        };
        let at = self.time.map_or_else(|| SystemClock.wall(), UnixSeconds);
        let code = totp.generate(&secret, at);
        match self.json {
            true => data(json!({
                "code": code.to_string(), "step": totp.step_at(at).0, "seconds_left": totp.seconds_left(at),
            })),
            false => data(code),
        }
        Ok(())
    }
}
