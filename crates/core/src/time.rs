//! Time as the verifier sees it: seconds since 1970, time steps and step numbers.
//!
//! Knows: arithmetic that neither wraps nor panics. Must never know: what time it is; the clock belongs to
//! the machine.

use core::fmt;
use core::num::NonZeroU32;

/// A moment in whole seconds since 1970-01-01 00:00:00 UTC, as Unix counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// Before this moment (2020-01-01) a clock counts as not set: no verifier of ours ran then.
    pub const CLOCK_NOT_SET_BEFORE: UnixSeconds = UnixSeconds(1_577_836_800);

    /// The moment this many seconds later; stops at the end of time.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> UnixSeconds {
        UnixSeconds(self.0.saturating_add(seconds))
    }

    /// Whether this moment lies further ahead than clocks that share a store may differ: by more than 60 s. What is
    /// dated so was written while a clock was ahead.
    #[must_use]
    pub const fn is_ahead_of(self, now: UnixSeconds) -> bool {
        self.since(now) > 60
    }

    /// Seconds passed since an earlier moment; 0 when it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: UnixSeconds) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The time step X in seconds (RFC 6238 §4.1; 30 by default).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct TimeStep(NonZeroU32);

impl TimeStep {
    /// 30 seconds, the default of RFC 6238 §4.1.
    pub const DEFAULT: TimeStep = match NonZeroU32::new(30) {
        Some(seconds) => TimeStep(seconds),
        None => unreachable!(),
    };

    /// A time step of so many seconds; none when it is 0.
    #[must_use]
    pub const fn new(seconds: u32) -> Option<TimeStep> {
        match NonZeroU32::new(seconds) {
            Some(seconds) => Some(TimeStep(seconds)),
            None => None,
        }
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0.get()
    }
}

impl Default for TimeStep {
    fn default() -> TimeStep {
        TimeStep::DEFAULT
    }
}

/// The number of time steps T between T0 and a moment (RFC 6238 §4.2); 64 bits, so it outlives 2038.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct StepNumber(pub u64);

impl fmt::Display for StepNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_both_ends_of_time() {
        assert_eq!(UnixSeconds(u64::MAX).plus(1), UnixSeconds(u64::MAX));
        assert_eq!(UnixSeconds(5).since(UnixSeconds(9)), 0);
        assert_eq!(UnixSeconds(9).since(UnixSeconds(5)), 4);
    }

    #[test]
    fn time_step_of_zero_seconds_is_refused() {
        assert_eq!(TimeStep::new(0), None);
        assert_eq!(TimeStep::new(15).map(TimeStep::seconds), Some(15));
    }
}
