//! Counter-based one-time passwords as a second factor (RFC 4226).
//!
//! Knows: the sealed secret, its parameters and the next expected counter. Must never know: the throttle, or which
//! door the code came through. The arithmetic is `countersign_core::otp`.

use alloc::string::String;

use countersign_core::otp::{Algorithm, Code, Counter, Digits, Hotp, HotpVerdict, SharedSecret};
use serde::{Deserialize, Serialize};

use super::{Accepted, CodeVerdict, Holder, Provider};
use crate::rule::World;
use crate::seal::{SealError, Sealed};
use crate::throttle::Class;

/// Where the sealed secret stands.
const COLUMN: &str = "factor.hotp.secret";

/// What is kept of a counter-based one-time password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotpCredential {
    /// The shared secret, sealed for this account and factor.
    pub secret: Sealed,
    /// Hash function of the HMAC.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: Digits,
    /// The lowest counter whose code was not used up; only rises.
    pub next: Counter,
}

impl HotpCredential {
    /// Seals a secret into a new credential, the first code of which is that of `next`.
    pub fn seal(
        secret: &SharedSecret,
        parameters: Hotp,
        next: Counter,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> HotpCredential {
        HotpCredential {
            secret: super::seal(secret, COLUMN, holder, world),
            algorithm: parameters.algorithm,
            digits: parameters.digits,
            next,
        }
    }

    /// Opens the shared secret.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, holder: Holder<'_>, world: &World<'_>) -> Result<SharedSecret, SealError> {
        super::open(&self.secret, COLUMN, holder, world)
    }

    fn parameters(&self) -> Hotp {
        Hotp {
            algorithm: self.algorithm,
            digits: self.digits,
        }
    }

    /// Uses up a counter and all before it. After the last counter there is no next one, so its code is none.
    fn settle(&mut self, verdict: HotpVerdict) -> CodeVerdict {
        let next = match verdict {
            HotpVerdict::Accepted { counter } => counter.0.checked_add(1),
            HotpVerdict::Wrong => None,
        };
        match next {
            Some(next) => {
                self.next = Counter(next);
                CodeVerdict::Accepted(Accepted::default())
            }
            None => CodeVerdict::Wrong,
        }
    }
}

impl Provider for HotpCredential {
    fn kind(&self) -> &'static str {
        "hotp"
    }

    fn about(&self) -> String {
        String::from("Counter-based codes")
    }

    fn class(&self) -> Class {
        Class::Otp
    }

    fn method(&self) -> &'static str {
        "otp"
    }

    /// Looks ahead of the next counter and never behind it: a used code is like any other wrong one.
    fn check(
        &mut self,
        code: &str,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        let Ok(code) = Code::parse(code, self.digits) else {
            return Ok(CodeVerdict::Malformed);
        };
        let secret = self.open(holder, world)?;
        let look_ahead = world.policy.look_ahead;
        let verdict = self.parameters().verify(&secret, &code, self.next, look_ahead);
        Ok(self.settle(verdict))
    }

    fn resynchronise(
        &mut self,
        codes: (&str, &str),
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        let parse = |code| Code::parse(code, self.digits);
        let (Ok(first), Ok(second)) = (parse(codes.0), parse(codes.1)) else {
            return Ok(CodeVerdict::Malformed);
        };
        let secret = self.open(holder, world)?;
        let counters = world.policy.resynchronisation_counters;
        let verdict = self
            .parameters()
            .resynchronise(&secret, (&first, &second), self.next, counters);
        Ok(self.settle(verdict))
    }

    fn next(&self) -> Option<u64> {
        Some(self.next.0)
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
