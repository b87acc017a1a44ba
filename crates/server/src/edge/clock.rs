//! The machine's clocks: the only place that reads them.
//!
//! Knows: wall and monotonic time. Must never know: whether they are believed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::service::clock::Clock;

/// The clock that goes on while the machine sleeps, where there is one: a laptop that wakes has not jumped.
#[cfg(target_os = "linux")]
const AWAKE_OR_NOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const AWAKE_OR_NOT: ClockId = ClockId::Monotonic;

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn since_1970(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        let time = clock_gettime(AWAKE_OR_NOT);
        let [seconds, nanoseconds] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
        Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
    }
}
