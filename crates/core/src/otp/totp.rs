//! Time-based one-time passwords (RFC 6238).
//!
//! Knows: steps, windows, learned drift and the rule that an accepted step is never accepted again. Must
//! never know: what time it is, or where the highest accepted step is kept; whoever keeps it stores the
//! verdict's step in one commit with the acceptance.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::keyed::{Compression, Keyed, Pads, Sha1, Sha256, Sha512};
use super::{Algorithm, Code, Digits, SharedSecret};
use crate::time::{StepNumber, TimeStep, UnixSeconds};

/// The parameters that prover and verifier share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totp {
    /// Hash function of the HMAC.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: Digits,
    /// The time step X.
    pub time_step: TimeStep,
    /// The initial time T0.
    pub t0: UnixSeconds,
}

/// The steps accepted around the current one (RFC 6238 §5.2 recommends at most one for network delay).
///
/// *Units*: time steps. *Bounds*: the larger the window, the longer a code lives: past + 1 + future steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptanceWindow {
    /// Steps before the current one.
    pub past: u8,
    /// Steps after the current one.
    pub future: u8,
}

/// What a code is judged by, besides secret and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// When it is presented.
    pub now: UnixSeconds,
    /// The steps accepted around now.
    pub window: AcceptanceWindow,
    /// Steps by which the prover's clock is known to be ahead (RFC 6238 §6).
    pub drift: i32,
    /// The highest step accepted before.
    pub last_accepted: Option<StepNumber>,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Right, and of a step above every step accepted before.
    Accepted {
        /// The step to remember.
        step: StepNumber,
        /// How many steps it lies after the current one.
        drift: i32,
    },
    /// Right, but its step, or a later one, was accepted before (RFC 6238 §5.2).
    AlreadyUsed {
        /// The step it belongs to.
        step: StepNumber,
    },
    /// No step of the window has this code.
    Wrong,
    /// The clock stands before any time this software ran at, so nothing can be said.
    ClockNotSet,
}

/// The prover's clock, found by two consecutive codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resynchronised {
    /// Step of the second code: the highest used up.
    pub step: StepNumber,
    /// How many steps that one lies after the current one.
    pub drift: i32,
}

impl Totp {
    /// The code of a moment. Before T0 it is that of the first step.
    #[must_use]
    pub fn generate(&self, secret: &SharedSecret, at: UnixSeconds) -> Code {
        let value = Keyed::new(self.algorithm, secret).value(self.step_at(at).0, self.digits);
        Code::from_value(value, self.digits)
    }

    /// The number of the step a moment lies in (RFC 6238 §4.2); 0 before T0.
    #[must_use]
    pub fn step_at(&self, at: UnixSeconds) -> StepNumber {
        StepNumber(at.since(self.t0) / u64::from(self.time_step.seconds()))
    }

    /// Seconds for which the code of this moment is still shown, at least 1.
    #[must_use]
    pub fn seconds_left(&self, at: UnixSeconds) -> u32 {
        let into = at.since(self.t0) % u64::from(self.time_step.seconds());
        self.time_step.seconds() - u32::try_from(into).unwrap_or(0)
    }

    /// Judges a presented code.
    ///
    /// # Security
    /// Every step of the window is computed and compared, in constant time, whatever matches. Where several
    /// steps match, the highest counts, so that equal codes of neighbouring steps are used up together. The
    /// caller must store the accepted step in the same commit in which it grants anything.
    #[inline]
    pub fn verify(&self, secret: &SharedSecret, code: &Code, presented: Presented) -> Verdict {
        if self.is_clock_not_set(presented.now) {
            return Verdict::ClockNotSet;
        }
        self.judge(secret, code, presented)
    }

    /// Before this software and before T0 nothing can be judged.
    fn is_clock_not_set(&self, now: UnixSeconds) -> bool {
        now < UnixSeconds::CLOCK_NOT_SET_BEFORE || now < self.t0
    }

    /// [`Totp::verify`] without asking whether the clock is set, for the dates of standards' vectors.
    #[inline]
    fn judge(&self, secret: &SharedSecret, code: &Code, presented: Presented) -> Verdict {
        if code.digits() != self.digits {
            return Verdict::Wrong;
        }
        // Chosen once for the whole search. Where a program names the algorithm, the others are not linked, as
        // this function is small enough to be judged where it is called.
        match self.algorithm {
            Algorithm::Sha1 => self.search::<Sha1>(secret, code, presented),
            Algorithm::Sha256 => self.search::<Sha256>(secret, code, presented),
            Algorithm::Sha512 => self.search::<Sha512>(secret, code, presented),
        }
    }

    #[inline(never)]
    fn search<C: Compression>(&self, secret: &SharedSecret, code: &Code, presented: Presented) -> Verdict {
        let current = self.step_at(presented.now).0;
        let (past, future) = (
            i64::from(presented.window.past),
            i64::from(presented.window.future),
        );
        let step_of = |offset| current.checked_add_signed(i64::from(presented.drift) + offset);
        let mut search = Search {
            pads: &Pads::<C>::new(secret),
            code,
            found: Choice::from(0),
            highest: 0,
        };
        let mut offset = -past;
        while LOOKS_AHEAD && offset + 2 <= future {
            search.compare([offset, offset + 1, offset + 2].map(step_of));
            offset += 3;
        }
        (offset..=future).for_each(|offset| search.compare([step_of(offset)]));
        let Search { found, highest, .. } = search;
        let step = StepNumber(highest);
        match bool::from(found) {
            false => Verdict::Wrong,
            true if presented.last_accepted.is_some_and(|last| step <= last) => Verdict::AlreadyUsed { step },
            true => Verdict::Accepted {
                step,
                drift: difference(highest, current),
            },
        }
    }

    /// Finds the prover's clock by two consecutive codes, the first within so many steps of now (RFC 6238
    /// §6); for an authenticated person only. None as well while the clock is not set.
    ///
    /// # Security
    /// All steps are computed and compared in constant time; the highest match counts. It knows nothing of
    /// steps accepted before: the caller refuses an answer whose step is not above the highest accepted one.
    #[must_use]
    pub fn resynchronise(
        &self,
        secret: &SharedSecret,
        codes: (&Code, &Code),
        now: UnixSeconds,
        steps: u16,
    ) -> Option<Resynchronised> {
        if self.is_clock_not_set(now) || codes.0.digits() != self.digits || codes.1.digits() != self.digits {
            return None;
        }
        let keyed = Keyed::new(self.algorithm, secret);
        let current = self.step_at(now).0;
        let (mut found, mut second_step) = (Choice::from(0), 0u64);
        for offset in -i64::from(steps)..=i64::from(steps) {
            let Some(first) = current.checked_add_signed(offset) else {
                continue;
            };
            let Some(second) = first.checked_add(1) else {
                continue;
            };
            let equal = keyed.value(first, self.digits).ct_eq(&codes.0.value())
                & keyed.value(second, self.digits).ct_eq(&codes.1.value());
            second_step.conditional_assign(&second, equal);
            found |= equal;
        }
        bool::from(found).then(|| Resynchronised {
            step: StepNumber(second_step),
            drift: difference(second_step, current),
        })
    }
}

/// Whether the processor finds work that does not wait for its predecessor. Small ones do not, and have no flash to
/// spare for several steps at once.
const LOOKS_AHEAD: bool = cfg!(target_pointer_width = "64");

/// The search for a code among steps, in rising order, without an early exit.
struct Search<'a, C: Compression> {
    pads: &'a Pads<C>,
    code: &'a Code,
    found: Choice,
    highest: u64,
}

impl<C: Compression> Search<'_, C> {
    /// Compares the codes of some steps; those that lie beyond the ends of time are computed and match
    /// nothing.
    #[inline]
    fn compare<const N: usize>(&mut self, steps: [Option<u64>; N]) {
        let values = self
            .pads
            .values(steps.map(|step| step.unwrap_or(0)), self.code.digits());
        for (value, step) in values.into_iter().zip(steps) {
            let exists = Choice::from(u8::from(step.is_some()));
            let equal = value.ct_eq(&self.code.value()) & exists;
            self.highest.conditional_assign(&step.unwrap_or(0), equal);
            self.found |= equal;
        }
    }
}

fn difference(step: u64, current: u64) -> i32 {
    let magnitude = i32::try_from(step.abs_diff(current)).unwrap_or(i32::MAX);
    if step >= current { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC_SECRET: &[u8] = b"12345678901234567890";

    fn judged(at: u64, shown_at: u64, window: AcceptanceWindow) -> Verdict {
        let (totp, secret) = (
            Totp {
                digits: Digits::EIGHT,
                ..Totp::default()
            },
            rfc_secret(),
        );
        let code = totp.generate(&secret, UnixSeconds(shown_at));
        totp.judge(
            &secret,
            &code,
            Presented {
                now: UnixSeconds(at),
                window,
                drift: 0,
                last_accepted: None,
            },
        )
    }

    fn rfc_secret() -> SharedSecret {
        SharedSecret::from_bytes(RFC_SECRET).expect("20 bytes are a secret")
    }

    #[test]
    fn dates_of_the_standard_are_judged_when_nobody_asks_for_the_clock() {
        let window = AcceptanceWindow { past: 1, future: 1 };
        for at in [
            59,
            1_111_111_109,
            1_111_111_111,
            1_234_567_890,
            2_000_000_000,
            20_000_000_000,
        ] {
            for (ahead, drift) in [(0, 0), (30, 1)] {
                let step = StepNumber((at + ahead) / 30);
                assert_eq!(judged(at, at + ahead, window), Verdict::Accepted { step, drift });
            }
            assert_eq!(judged(at, at + 60, window), Verdict::Wrong);
        }
        let presented = Presented {
            now: UnixSeconds(59),
            window,
            drift: 0,
            last_accepted: None,
        };
        let code = Totp::default().generate(&rfc_secret(), presented.now);
        assert_eq!(
            Totp::default().verify(&rfc_secret(), &code, presented),
            Verdict::ClockNotSet
        );
    }

    #[test]
    fn window_that_reaches_before_the_first_step_begins_with_it() {
        let window = AcceptanceWindow { past: 10, future: 0 };
        for (at, current) in [(0, 0), (29, 0), (30, 1), (31, 1), (299, 9u8)] {
            for behind in 0..=current {
                let step = StepNumber(u64::from(current - behind));
                let drift = -i32::from(behind);
                assert_eq!(judged(at, step.0 * 30, window), Verdict::Accepted { step, drift });
            }
        }
    }
}
