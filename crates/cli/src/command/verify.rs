//! `countersign verify`: whether a code is right, as a verifier would judge it. Nothing is remembered.

use std::path::PathBuf;

use clap::Args;
use countersign_core::otp::Verdict;
use serde_json::json;

use super::proof::{self, Parameters};
use crate::out::{Failed, data};

/// Say whether a code is right: exit 1 when it is wrong. Nothing is remembered, so a code may be tried again.
#[derive(Args)]
pub(crate) struct Verify {
    /// File with the secret in Base32, `-` for standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    secret_file: PathBuf,
    /// File with the code, `-` for standard input, behind the secret where that stands there too
    #[arg(long, value_name = "FILE", default_value = "-")]
    code_file: PathBuf,
    /// Time steps accepted before and after now
    #[arg(long, value_name = "STEPS", default_value_t = 1)]
    window: u8,
    #[command(flatten)]
    parameters: Parameters,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let (secret, code) = proof::read(&self.secret_file, Some(&self.code_file))?;
        let verdict = self
            .parameters
            .judge(&secret, code.as_deref().map_or("", |code| code), self.window)?;
        let steps = match verdict {
            Verdict::Accepted { drift, .. } => Some(drift),
            Verdict::ClockNotSet => {
                return Err(Failed::Clock(
                    "the clock is not set; set it, or give --time".into(),
                ));
            }
            _ => None,
        };
        if self.json {
            data(json!({ "right": steps.is_some(), "steps": steps }));
        } else if let Some(steps) = steps {
            data(format_args!("right, {steps} time steps from now"));
        }
        steps
            .map(drop)
            .ok_or_else(|| Failed::Refused("the code is wrong".into()))
    }
}
