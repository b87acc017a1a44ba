//! The time, read in one place and handed to whoever judges by it.
//!
//! Knows: the machine's two clocks. Must never know: what depends on them. A guard stands alone in somebody else's
//! program, so it reads the clock itself; a test gives it another.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign_core::time::UnixSeconds;

/// A moment on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time since 1970, which may be set.
    pub unix: Duration,
    /// Time since some beginning, which only goes forward, but stands still while the machine sleeps.
    pub steady: Duration,
}

impl Moment {
    /// The second it lies in.
    pub fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.unix.as_secs())
    }

    /// Whether no more than this lies between an earlier moment and this one, on either clock: the one sees the
    /// machine sleep, the other is not misled when the first is set.
    pub(crate) fn is_within(self, earlier: Moment, longest: Duration) -> bool {
        self.unix.abs_diff(earlier.unix) <= longest && self.steady.saturating_sub(earlier.steady) <= longest
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Moment;
}

/// The machine's clocks.
#[derive(Debug)]
pub(crate) struct Machine {
    started: Instant,
}

impl Machine {
    pub(crate) fn new() -> Machine {
        Machine {
            started: Instant::now(),
        }
    }
}

impl Clock for Machine {
    /// A clock before 1970 shows 1970: there every token is dated ahead, and refused.
    fn now(&self) -> Moment {
        Moment {
            unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            steady: self.started.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_is_near_only_when_both_clocks_say_so() {
        let at = |unix, steady| Moment {
            unix: Duration::from_millis(unix),
            steady: Duration::from_millis(steady),
        };
        let second = Duration::from_secs(1);
        assert!(at(6_000, 1_000).is_within(at(5_000, 0), second));
        assert!(!at(6_001, 1_000).is_within(at(5_000, 0), second), "it slept");
        assert!(
            !at(6_000, 1_001).is_within(at(5_000, 0), second),
            "its clock was set"
        );
        assert!(
            !at(3_000, 1_000).is_within(at(5_000, 0), second),
            "its clock was set back"
        );
    }

    #[test]
    fn machine_tells_a_time_that_goes_on() {
        let machine = Machine::new();
        let (first, second) = (machine.now(), machine.now());
        assert!(second.steady >= first.steady);
        assert!(first.seconds() > UnixSeconds::CLOCK_NOT_SET_BEFORE);
    }
}
