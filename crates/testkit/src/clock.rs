//! A clock that stands still until a test turns it.
//!
//! Knows one number of seconds. Must never read the machine's clock. Read `countersign_core::time` for the
//! type.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_core::time::UnixSeconds;

/// A clock shared by all its clones, so that a test turns the time under a running service.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    seconds: Arc<AtomicU64>,
}

impl VirtualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: UnixSeconds) -> Self {
        Self {
            seconds: Arc::new(AtomicU64::new(start.0)),
        }
    }

    /// The time the clock shows.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        UnixSeconds(self.seconds.load(Ordering::SeqCst))
    }

    /// Sets the clock, backwards too: clocks of real machines jump, and rules must stand it.
    pub fn set(&self, to: UnixSeconds) {
        self.seconds.store(to.0, Ordering::SeqCst);
    }

    /// Turns the clock forward and answers the time it then shows.
    ///
    /// *Bounds*: stays at the end of time instead of wrapping.
    pub fn advance(&self, seconds: u64) -> UnixSeconds {
        let turn = |now: u64| now.saturating_add(seconds);
        let before = self
            .seconds
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(turn(now)));
        UnixSeconds(turn(before.unwrap_or_else(|unchanged| unchanged)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_show_the_same_time() {
        let clock = VirtualClock::at(UnixSeconds(1_000));
        let other = clock.clone();
        assert_eq!(clock.advance(30), UnixSeconds(1_030));
        assert_eq!(other.now(), UnixSeconds(1_030));
        other.set(UnixSeconds(5));
        assert_eq!(clock.now(), UnixSeconds(5));
    }

    #[test]
    fn clock_stands_at_the_end_of_time() {
        let clock = VirtualClock::at(UnixSeconds(u64::MAX - 1));
        assert_eq!(clock.advance(10), UnixSeconds(u64::MAX));
    }
}
