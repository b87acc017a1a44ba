//! Time-based one-time passwords as a second factor (RFC 6238).
//!
//! Knows: the sealed secret, its parameters, the learned drift and the highest accepted step number. Must
//! never know: the throttle, or which door the code came through. The arithmetic is `countersign_core::otp`.

use alloc::string::String;

use countersign_core::otp::{
    AcceptanceWindow, Algorithm, Code, Digits, Presented, Resynchronised, SharedSecret, Totp, Verdict,
};
use countersign_core::time::{StepNumber, TimeStep, UnixSeconds};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Accepted, Authenticator, CodeVerdict, Holder, Offer, Provider};
use crate::policy::Acceptance;
use crate::rule::World;
use crate::seal::{SealError, Sealed};
use crate::throttle::Class;

/// Where the sealed secret stands.
const COLUMN: &str = "factor.totp.secret";

/// Bytes of a generated secret: 160 bits (RFC 4226 §4 R6).
const SECRET_BYTES: usize = 20;

/// What is kept of a time-based one-time password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpCredential {
    /// The shared secret, sealed for this account and factor.
    pub secret: Sealed,
    /// Hash function of the HMAC.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: Digits,
    /// Seconds of a time step.
    pub time_step: TimeStep,
    /// Steps by which the prover's clock was found to be ahead: when it was enrolled, by two codes, and where the
    /// policy says so at every acceptance (RFC 6238 §6).
    pub drift: i32,
    /// The highest step number ever accepted; only rises.
    pub last_accepted: Option<StepNumber>,
}

impl TotpCredential {
    /// Draws a secret for a new credential, with the parameters that the policy has now.
    pub fn draw(holder: Holder<'_>, world: &mut World<'_>) -> TotpCredential {
        let mut bytes = Zeroizing::new([0u8; SECRET_BYTES]);
        world.entropy.fill(&mut *bytes);
        let secret = SharedSecret::from_bytes(&*bytes).expect("20 bytes are within the bounds of a secret");
        TotpCredential::seal(&secret, world.policy.parameters, holder, world)
    }

    /// Seals a secret into a new credential that has accepted nothing yet.
    pub fn seal(
        secret: &SharedSecret,
        parameters: Totp,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> TotpCredential {
        TotpCredential {
            secret: super::seal(secret, COLUMN, holder, world),
            algorithm: parameters.algorithm,
            digits: parameters.digits,
            time_step: parameters.time_step,
            drift: 0,
            last_accepted: None,
        }
    }

    /// The parameters a code is computed with.
    pub fn parameters(&self) -> Totp {
        Totp {
            algorithm: self.algorithm,
            digits: self.digits,
            time_step: self.time_step,
            t0: UnixSeconds(0),
        }
    }

    /// Judges a code in a given window and, when it is accepted, remembers its step number.
    ///
    /// # Errors
    /// [`SealError`] when the secret can't be opened.
    pub fn accept(
        &mut self,
        code: &str,
        window: AcceptanceWindow,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<TotpVerdict, SealError> {
        let Ok(code) = Code::parse(code, self.digits) else {
            return Ok(TotpVerdict::Malformed);
        };
        let secret = self.open(holder, world)?;
        let presented = Presented {
            now: world.now,
            window,
            drift: self.drift,
            last_accepted: self.last_accepted,
        };
        Ok(match self.parameters().verify(&secret, &code, presented) {
            Verdict::Accepted { step, drift } => {
                self.last_accepted = Some(step);
                TotpVerdict::Accepted { drift }
            }
            Verdict::AlreadyUsed { .. } => TotpVerdict::AlreadyUsed,
            Verdict::Wrong => TotpVerdict::Wrong,
            Verdict::ClockNotSet => TotpVerdict::ClockNotSet,
        })
    }

    /// Opens the shared secret.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, holder: Holder<'_>, world: &World<'_>) -> Result<SharedSecret, SealError> {
        super::open(&self.secret, COLUMN, holder, world)
    }

    /// The steps around the learned drift that are accepted at people's doors.
    fn window(&self, world: &World<'_>) -> AcceptanceWindow {
        match world.policy.acceptance {
            Acceptance::Window | Acceptance::Learned => world.policy.window,
            // Whoever was seen some steps off is off by up to one more or less, and clocks are near the right time
            // more often than far from it: the neighbour towards now goes with the step.
            Acceptance::Strict => AcceptanceWindow {
                past: u8::from(self.drift > 0),
                future: u8::from(self.drift < 0),
            },
        }
    }

    /// Remembers how far the prover's clock was off at an acceptance, within the bound or nearer to it.
    fn learn(&mut self, drift: i32, world: &World<'_>) {
        let bound = u32::from(world.policy.enrolment_drift_steps);
        if drift.unsigned_abs() <= bound || drift.unsigned_abs() < self.drift.unsigned_abs() {
            self.drift = drift;
        }
    }
}

/// What [`TotpCredential::accept`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum TotpVerdict {
    /// Right and fresh; its step was this far from the current one.
    Accepted {
        /// Steps ahead of (positive) or behind the current step.
        drift: i32,
    },
    /// Right, but its step was accepted before.
    AlreadyUsed,
    /// No step of the window has this code.
    Wrong,
    /// Not the digits of a code.
    Malformed,
    /// The clock is not set.
    ClockNotSet,
}

impl From<TotpVerdict> for CodeVerdict {
    fn from(verdict: TotpVerdict) -> CodeVerdict {
        match verdict {
            TotpVerdict::Accepted { .. } => CodeVerdict::Accepted(Accepted::default()),
            TotpVerdict::AlreadyUsed => CodeVerdict::AlreadyUsed,
            TotpVerdict::Wrong => CodeVerdict::Wrong,
            TotpVerdict::Malformed => CodeVerdict::Malformed,
            TotpVerdict::ClockNotSet => CodeVerdict::ClockNotSet,
        }
    }
}

impl Provider for TotpCredential {
    fn kind(&self) -> &'static str {
        "totp"
    }

    fn about(&self) -> String {
        String::from("Time-based codes")
    }

    fn class(&self) -> Class {
        Class::Otp
    }

    fn method(&self) -> &'static str {
        "otp"
    }

    fn offer(&mut self, holder: Holder<'_>, world: &mut World<'_>) -> Result<Offer, SealError> {
        Ok(Offer {
            authenticator: Some(Authenticator {
                secret: self.open(holder, world)?,
                parameters: self.parameters(),
            }),
            to_text: None,
        })
    }

    /// The code is looked for in a wide window and the drift is learned (RFC 6238 §6): the session in which it is
    /// confirmed is what makes that safe.
    fn confirm(
        &mut self,
        code: &str,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        let steps = world.policy.enrolment_drift_steps;
        let window = AcceptanceWindow {
            past: steps,
            future: steps,
        };
        let verdict = self.accept(code, window, holder, world)?;
        if let TotpVerdict::Accepted { drift } = verdict {
            // A code may come a step late however right the clock is; a drift learned of that would make two steps of
            // one.
            let is_chance = world.policy.acceptance == Acceptance::Strict && drift.unsigned_abs() == 1;
            self.drift = if is_chance { 0 } else { drift };
        }
        Ok(verdict.into())
    }

    fn check(
        &mut self,
        code: &str,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        let window = self.window(world);
        let verdict = self.accept(code, window, holder, world)?;
        if let TotpVerdict::Accepted { drift } = verdict
            && world.policy.acceptance == Acceptance::Learned
        {
            self.learn(drift, world);
        }
        Ok(verdict.into())
    }

    fn resynchronise(
        &mut self,
        codes: (&str, &str),
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        if world.now < UnixSeconds::CLOCK_NOT_SET_BEFORE {
            return Ok(CodeVerdict::ClockNotSet);
        }
        let parse = |code| Code::parse(code, self.digits);
        let (Ok(first), Ok(second)) = (parse(codes.0), parse(codes.1)) else {
            return Ok(CodeVerdict::Malformed);
        };
        let secret = self.open(holder, world)?;
        let steps = world.policy.resynchronisation_steps(self.time_step);
        let found = self
            .parameters()
            .resynchronise(&secret, (&first, &second), world.now, steps);
        let Some(Resynchronised { step, drift }) = found else {
            return Ok(CodeVerdict::Wrong);
        };
        // The first code is of the step before; it must be fresh as well.
        if self
            .last_accepted
            .is_some_and(|last| step.0 <= last.0.saturating_add(1))
        {
            return Ok(CodeVerdict::AlreadyUsed);
        }
        self.last_accepted = Some(step);
        self.drift = drift;
        Ok(CodeVerdict::Accepted(Accepted::default()))
    }

    fn next(&self) -> Option<u64> {
        Some(self.last_accepted.map_or(0, |step| step.0.saturating_add(1)))
    }

    fn secret(&self, holder: Holder<'_>, world: &World<'_>) -> Result<Option<SharedSecret>, SealError> {
        self.open(holder, world).map(Some)
    }

    fn key_id(&self) -> Option<&str> {
        Some(self.secret.key_id())
    }

    fn reseal(&mut self, holder: Holder<'_>, world: &mut World<'_>) -> Result<bool, SealError> {
        super::reseal(&mut self.secret, COLUMN, holder, world)
    }
}

/// Whether a text is 6 to 8 digits once spaces and hyphens are dropped.
pub fn has_shape(code: &str) -> bool {
    [Digits::SIX, Digits::SEVEN, Digits::EIGHT]
        .into_iter()
        .any(|digits| Code::parse(code, digits).is_ok())
}
