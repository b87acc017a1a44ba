//! Whether the clock can be believed.
//!
//! Knows: wall time against monotonic time and against the highest time ever committed. Must never know: how
//! either is read;
//! `edge` does that. A clock that jumped refuses every decision until an operator accepts it: a code's acceptance and a
//! throttle's memory are worth no more than the time they are judged by.

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use countersign_core::time::UnixSeconds;

/// Seconds by which wall and monotonic clock may drift apart since the anchor.
const JUMP_S_MAX: u64 = 30;
/// Seconds after which a clock that kept its pace becomes the anchor: what a slow pull can move it within.
const ANCHOR_S: u64 = 3600;
/// Seconds by which the clock may stand behind the highest time ever committed when the server starts.
const BEHIND_S_MAX: u64 = 5;

/// How far the clock may be from that of a store that several nodes share.
const APART_MAX: Duration = Duration::from_secs(2);

/// The machine's clocks.
pub trait Clock: Send + Sync {
    /// Wall time, since 1970.
    fn since_1970(&self) -> Duration;

    /// Wall time.
    fn wall(&self) -> UnixSeconds {
        UnixSeconds(self.since_1970().as_secs())
    }

    /// Time since some fixed moment, never set back; it goes on while the machine sleeps.
    fn monotonic(&self) -> Duration;
}

/// Why no decision about time can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockDoubt {
    /// The clock stands before 2020.
    NotSet,
    /// It stands behind the highest time ever committed.
    BehindStore {
        /// By so many seconds.
        seconds: u64,
    },
    /// It jumped while the server ran.
    Jumped {
        /// By so many seconds, forward when positive.
        seconds: i64,
    },
    /// It is apart from the clock of the store that several nodes share.
    Apart {
        /// By so many seconds, ahead when positive.
        seconds: i64,
    },
}

impl fmt::Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockDoubt::NotSet => {
                f.write_str("the clock is not set; set it, then run `countersign clock accept`")
            }
            ClockDoubt::BehindStore { seconds } => write!(
                f,
                "the clock stands {seconds} s behind the last stored decision; set it, then `countersign clock accept`"
            ),
            ClockDoubt::Jumped { seconds } => write!(
                f,
                "the clock jumped by {seconds} s; see that it is right, then run `countersign clock accept`"
            ),
            ClockDoubt::Apart { seconds } => write!(
                f,
                "the clock is {seconds} s apart from the database's; set whichever is wrong, then run \
                 `countersign clock accept`"
            ),
        }
    }
}

/// Watches the clock and says what time decisions are made at.
pub struct ClockGuard {
    clock: Box<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// Wall and monotonic time that the clock is held to.
    anchor: (UnixSeconds, Duration),
    doubt: Option<ClockDoubt>,
}

impl ClockGuard {
    /// Starts watching; `high_water` is the highest time ever committed.
    pub fn new(clock: Box<dyn Clock>, high_water: UnixSeconds) -> ClockGuard {
        let anchor = (clock.wall(), clock.monotonic());
        let behind = high_water.since(anchor.0);
        let doubt = if anchor.0 < UnixSeconds::CLOCK_NOT_SET_BEFORE {
            Some(ClockDoubt::NotSet)
        } else if behind > BEHIND_S_MAX {
            Some(ClockDoubt::BehindStore { seconds: behind })
        } else {
            None
        };
        ClockGuard {
            clock,
            state: Mutex::new(State { anchor, doubt }),
        }
    }

    /// The time, if it can be believed.
    ///
    /// # Errors
    /// [`ClockDoubt`]; it stays until [`ClockGuard::accept`].
    pub fn now(&self) -> Result<UnixSeconds, ClockDoubt> {
        let now = (self.clock.wall(), self.clock.monotonic());
        let mut state = self.state();
        let passed_s = now.1.saturating_sub(state.anchor.1).as_secs();
        let expected = state.anchor.0.plus(passed_s);
        if state.doubt.is_none() && expected.0.abs_diff(now.0.0) > JUMP_S_MAX {
            let seconds = i64::try_from(expected.0.abs_diff(now.0.0)).unwrap_or(i64::MAX);
            state.doubt = Some(ClockDoubt::Jumped {
                seconds: if now.0 > expected { seconds } else { -seconds },
            });
        }
        if state.doubt.is_none() && passed_s >= ANCHOR_S {
            state.anchor = now;
        }
        state.doubt.map_or(Ok(now.0), Err)
    }

    /// The clocks as they stand, believed or not.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Compares with another clock that was read at some time since ours showed `asked`; both since 1970.
    pub fn compare(&self, asked: Duration, theirs: Duration) {
        let ahead = asked.saturating_sub(theirs);
        let behind = theirs.saturating_sub(self.clock.since_1970());
        let apart = ahead.max(behind);
        let mut state = self.state();
        if state.doubt.is_none() && apart > APART_MAX {
            let seconds = i64::try_from(apart.as_secs()).unwrap_or(i64::MAX);
            let seconds = if ahead > behind { seconds } else { -seconds };
            state.doubt = Some(ClockDoubt::Apart { seconds });
        }
    }

    /// The wall time whatever is thought of it; for showing, never for deciding.
    pub fn shown(&self) -> UnixSeconds {
        self.clock.wall()
    }

    /// An operator vouches for the clock as it stands.
    pub fn accept(&self) {
        let now = (self.clock.wall(), self.clock.monotonic());
        *self.state() = State {
            anchor: now,
            doubt: None,
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the clock's state")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Clone, Default)]
    struct Hands(Arc<[AtomicU64; 2]>);

    impl Hands {
        fn set(&self, wall: u64, monotonic: u64) {
            self.0[0].store(wall, Ordering::Relaxed);
            self.0[1].store(monotonic, Ordering::Relaxed);
        }
    }

    impl Clock for Hands {
        fn since_1970(&self) -> Duration {
            Duration::from_secs(self.0[0].load(Ordering::Relaxed))
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0[1].load(Ordering::Relaxed))
        }
    }

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn jump_beyond_thirty_seconds_is_doubted_until_it_is_accepted() {
        let hands = Hands::default();
        hands.set(NOW, 0);
        let guard = ClockGuard::new(Box::new(hands.clone()), UnixSeconds(0));
        hands.set(NOW + 130, 100);
        assert_eq!(guard.now(), Ok(UnixSeconds(NOW + 130)));
        hands.set(NOW + 131, 100);
        assert_eq!(guard.now(), Err(ClockDoubt::Jumped { seconds: 31 }));
        hands.set(NOW + 130, 100);
        assert!(guard.now().is_err(), "a doubt does not go away by itself");
        guard.accept();
        assert_eq!(guard.now(), Ok(UnixSeconds(NOW + 130)));
        hands.set(NOW + 99, 100);
        assert_eq!(guard.now(), Err(ClockDoubt::Jumped { seconds: -31 }));
    }

    #[test]
    fn clock_that_is_pulled_little_by_little_is_doubted_too() {
        let hands = Hands::default();
        hands.set(NOW, 0);
        let guard = ClockGuard::new(Box::new(hands.clone()), UnixSeconds(0));
        // Ten seconds back at every look, each of which is less than a jump.
        let doubted = (1..=4).map(|look| {
            hands.set(NOW + look * 60 - look * 10, look * 60);
            guard.now().is_err()
        });
        assert_eq!(doubted.collect::<Vec<_>>(), [false, false, false, true]);
    }

    #[test]
    fn clock_that_keeps_its_pace_within_seconds_an_hour_is_believed_for_ever() {
        let hands = Hands::default();
        hands.set(NOW, 0);
        let guard = ClockGuard::new(Box::new(hands.clone()), UnixSeconds(0));
        for hour in 1..=1000 {
            hands.set(NOW + hour * 3602, hour * 3600);
            assert!(guard.now().is_ok(), "after {hour} hours");
        }
    }

    #[test]
    fn start_behind_the_stored_time_is_doubted() {
        let hands = Hands::default();
        hands.set(NOW, 0);
        assert!(
            ClockGuard::new(Box::new(hands.clone()), UnixSeconds(NOW + 5))
                .now()
                .is_ok()
        );
        let behind = ClockGuard::new(Box::new(hands.clone()), UnixSeconds(NOW + 6));
        assert_eq!(behind.now(), Err(ClockDoubt::BehindStore { seconds: 6 }));
        hands.set(1000, 0);
        assert_eq!(
            ClockGuard::new(Box::new(hands), UnixSeconds(0)).now(),
            Err(ClockDoubt::NotSet)
        );
    }

    #[test]
    fn clock_more_than_two_seconds_from_the_shared_one_is_doubted_until_it_is_accepted() {
        let hands = Hands::default();
        hands.set(NOW, 0);
        let guard = ClockGuard::new(Box::new(hands.clone()), UnixSeconds(0));
        let apart = |milliseconds: i64, took_s: u64| {
            guard.accept();
            let asked = guard.clock().since_1970();
            hands.set(NOW + took_s, took_s);
            let theirs = Duration::from_millis((NOW * 1000).saturating_add_signed(milliseconds));
            guard.compare(asked, theirs);
            let answer = guard.now();
            hands.set(NOW, 0);
            answer
        };
        assert!(apart(2000, 0).is_ok());
        assert!(apart(-2000, 0).is_ok());
        assert_eq!(apart(3001, 0), Err(ClockDoubt::Apart { seconds: -3 }));
        assert_eq!(apart(-2001, 0), Err(ClockDoubt::Apart { seconds: 2 }));
        assert!(
            apart(5000, 3).is_ok(),
            "it may have been read at the end of the wait"
        );
        assert!(apart(-2000, 3).is_ok(), "or at its beginning");
        assert_eq!(apart(-2001, 3), Err(ClockDoubt::Apart { seconds: 2 }));
    }
}
