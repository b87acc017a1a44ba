//! `countersign code`: a one-time code from a secret, as an authenticator makes it.

use std::path::PathBuf;

use clap::Args;
use countersign_auth::id::unhex;
use countersign_core::otp::ocra::{Input, Suite};
use countersign_core::otp::{Algorithm, Counter, Digits, Hotp, SecretStrength, SharedSecret, Totp};
use countersign_core::time::{TimeStep, UnixSeconds};
use countersign_server::edge::clock::SystemClock;
use countersign_server::service::clock::Clock;
use serde_json::json;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

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
    /// The counter, of --hotp or of a suite that covers one
    #[arg(long, value_name = "N")]
    counter: Option<u64>,
    #[command(flatten)]
    challenge: Challenge,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A response to a challenge (RFC 6287).
#[derive(Args)]
struct Challenge {
    /// The suite of a challenge-response code, as in OCRA-1:HOTP-SHA256-8:QN08-T1M
    #[arg(
        long,
        value_name = "SUITE",
        requires = "question",
        conflicts_with_all = ["hotp", "digits", "algorithm", "period"]
    )]
    ocra: Option<Suite>,
    /// The question that is answered
    #[arg(long, value_name = "Q", requires = "ocra")]
    question: Option<String>,
    /// File with the PIN, where the suite covers one
    #[arg(long, value_name = "FILE", requires = "ocra")]
    pin_file: Option<PathBuf>,
    /// Session information in hexadecimal, where the suite covers some
    #[arg(long, value_name = "HEX", requires = "ocra")]
    session: Option<String>,
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
        if let Some(suite) = &self.challenge.ocra {
            return self.respond(suite, &secret);
        }
        if self.counter.is_some() && !self.hotp {
            return Err(Failed::Usage(
                "--counter goes with --hotp, or with --ocra and a suite that covers one".into(),
            ));
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

    fn respond(&self, suite: &Suite, secret: &SharedSecret) -> Result<(), Failed> {
        let pin = self.challenge.pin_file.as_deref().map(read_secret).transpose()?;
        let pin_hash = match (&pin, suite.pin) {
            (Some(pin), Some(function)) => Some(hash(function, pin.as_bytes())),
            // The core says that the suite covers none.
            (Some(_), None) => Some(Zeroizing::default()),
            (None, _) => None,
        };
        let session = match &self.challenge.session {
            None => None,
            Some(digits) => {
                let bytes = unhex(digits);
                Some(bytes.ok_or_else(|| Failed::Usage("--session is hexadecimal".into()))?)
            }
        };
        // A time that is given is handed on, so that a suite which covers none refuses it.
        let given = self.time.map(UnixSeconds);
        let input = Input {
            counter: self.counter,
            question: self.challenge.question.as_deref().unwrap_or_default(),
            pin_hash: pin_hash.as_ref().map(|hash| hash.as_slice()),
            session: session.as_deref(),
            now: given.or_else(|| suite.time_step().map(|_| SystemClock.wall())),
        };
        let response = suite.respond(secret, &input);
        let response = response.map_err(|error| Failed::Usage(format!("--ocra {suite}: {error}")))?;
        match self.json {
            true => data(json!({ "code": response.to_string(), "suite": suite.to_string() })),
            false => data(response),
        }
        Ok(())
    }
}

/// The hash that stands for a PIN (RFC 6287 §6.3).
fn hash(function: Algorithm, pin: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match function {
        Algorithm::Sha1 => Sha1::digest(pin).to_vec(),
        Algorithm::Sha256 => Sha256::digest(pin).to_vec(),
        Algorithm::Sha512 => Sha512::digest(pin).to_vec(),
    })
}
