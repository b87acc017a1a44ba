//! The machine's clocks: the only place that reads them.
//!
//! Knows: wall and monotonic time. Must never know: whether they are believed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign_core::time::UnixSeconds;

use crate::service::clock::Clock;

/// The clocks of the operating system.
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts counting monotonic time.
    pub fn start() -> SystemClock {
        SystemClock {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> UnixSeconds {
        UnixSeconds(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
