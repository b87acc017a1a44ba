//! Throttle arithmetic: how many failures a budget bears, and when it has room again.
//!
//! Knows: times of counted failures and one budget's three numbers. Must never know: who failed, from where,
//! or what was guessed; which budgets an attempt touches is decided in `countersign-auth`'s `throttle`. The
//! whole state of a budget is its list of failure times, so there is nothing else to keep consistent.

use crate::time::UnixSeconds;

/// How many counted failures are borne within a sliding window, and how long the door stays shut after the
/// last.
///
/// *Units*: seconds. *Source*: RFC 4226 §7.3 (throttling), NIST SP 800-63B-4 §3.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Counted failures within the window that close the budget.
    pub failures_max: u16,
    /// A failure counts for this many seconds.
    pub window_s: u32,
    /// Once closed, the budget stays closed for this many seconds after the last failure.
    pub lockout_s: u32,
}

/// Whether another attempt may be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Room {
    /// One more attempt may be evaluated now.
    Open,
    /// No attempt is evaluated for this many seconds (at least 1).
    Closed {
        /// Seconds until the budget opens.
        retry_after_s: u32,
    },
}

impl Room {
    /// The stricter of two rooms: closed wins over open, longer over shorter.
    pub fn and(self, other: Room) -> Room {
        match (self, other) {
            (Room::Open, room) | (room, Room::Open) => room,
            (Room::Closed { retry_after_s: a }, Room::Closed { retry_after_s: b }) => Room::Closed {
                retry_after_s: a.max(b),
            },
        }
    }
}

impl Budget {
    /// Whether an attempt may be evaluated, given the failures charged so far in the order they were charged.
    pub fn room(&self, failures: &[UnixSeconds], now: UnixSeconds) -> Room {
        match self.locked_for_s(failures, now) {
            Some(retry_after_s) => Room::Closed { retry_after_s },
            None => Room::Open,
        }
    }

    /// How many leading entries of `failures` no longer matter and may be forgotten.
    ///
    /// A lock that was served forgives all failures that led to it; otherwise each counts until it leaves the
    /// window.
    pub fn forgotten(&self, failures: &[UnixSeconds], now: UnixSeconds) -> usize {
        if self.locked_for_s(failures, now).is_some() {
            return 0;
        }
        if failures.len() >= usize::from(self.failures_max) {
            return failures.len();
        }
        failures
            .iter()
            .take_while(|at| now.since(**at) >= u64::from(self.window_s) || self.is_misdated(**at, now))
            .count()
    }

    /// Seconds this budget stays locked, or `None` when it is open.
    ///
    /// `forgotten` is applied before each charge, so reaching `failures_max` entries means they lie in one window.
    /// A failure that lies in the future (the clock was set back) counts as having happened now, unless it is
    /// misdated.
    fn locked_for_s(&self, failures: &[UnixSeconds], now: UnixSeconds) -> Option<u32> {
        if failures.len() < usize::from(self.failures_max) {
            return None;
        }
        let served = |last: UnixSeconds| match self.is_misdated(last, now) {
            true => u64::MAX,
            false => now.since(last),
        };
        let since_last = failures.last().map_or(u64::MAX, |last| served(*last));
        let lockout = u64::from(self.lockout_s);
        (since_last < lockout).then(|| {
            u32::try_from(lockout - since_last)
                .unwrap_or(self.lockout_s)
                .max(1)
        })
    }

    /// Whether a failure lies further ahead than a lock lasts: it was counted under a clock that was wrong and
    /// has been put right, and would otherwise keep the budget closed until that time comes.
    fn is_misdated(&self, at: UnixSeconds, now: UnixSeconds) -> bool {
        at.since(now) > u64::from(self.lockout_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Budget = Budget {
        failures_max: 5,
        window_s: 300,
        lockout_s: 300,
    };

    fn at(times: &[u64]) -> std::vec::Vec<UnixSeconds> {
        times.iter().map(|t| UnixSeconds(*t)).collect()
    }

    #[test]
    fn budget_is_open_until_its_last_failure_is_spent() {
        assert_eq!(FIVE.room(&at(&[]), UnixSeconds(1000)), Room::Open);
        assert_eq!(
            FIVE.room(&at(&[1000, 1000, 1000, 1000]), UnixSeconds(1000)),
            Room::Open
        );
        assert_eq!(
            FIVE.room(&at(&[1000; 5]), UnixSeconds(1000)),
            Room::Closed { retry_after_s: 300 }
        );
    }

    #[test]
    fn lock_lasts_exactly_lockout_seconds_after_the_last_failure() {
        let failures = at(&[1000, 1010, 1020, 1030, 1040]);
        assert_eq!(
            FIVE.room(&failures, UnixSeconds(1339)),
            Room::Closed { retry_after_s: 1 }
        );
        assert_eq!(FIVE.room(&failures, UnixSeconds(1340)), Room::Open);
        assert_eq!(FIVE.forgotten(&failures, UnixSeconds(1339)), 0);
        assert_eq!(FIVE.forgotten(&failures, UnixSeconds(1340)), 5);
    }

    #[test]
    fn failure_is_forgotten_when_it_leaves_the_window() {
        let failures = at(&[1000, 1100, 1200]);
        assert_eq!(FIVE.forgotten(&failures, UnixSeconds(1299)), 0);
        assert_eq!(FIVE.forgotten(&failures, UnixSeconds(1300)), 1);
        assert_eq!(FIVE.forgotten(&failures, UnixSeconds(1500)), 3);
    }

    #[test]
    fn clock_set_back_keeps_the_budget_closed_for_one_lock_more_and_not_for_ever() {
        let failures = at(&[5000; 5]);
        let closed = Room::Closed { retry_after_s: 300 };
        assert_eq!(FIVE.room(&failures, UnixSeconds(4999)), closed);
        assert_eq!(FIVE.room(&failures, UnixSeconds(4700)), closed);
        assert_eq!(FIVE.room(&failures, UnixSeconds(4699)), Room::Open);
        assert_eq!(FIVE.forgotten(&failures, UnixSeconds(4699)), 5);
        assert_eq!(FIVE.forgotten(&at(&[5000, 5000, 4650]), UnixSeconds(4690)), 2);
        assert_eq!(FIVE.forgotten(&at(&[4950, 4650]), UnixSeconds(4690)), 0);
    }

    #[test]
    fn no_window_of_the_budget_holds_more_evaluated_failures_than_its_maximum() {
        let mut failures = at(&[]);
        let mut evaluated = at(&[]);
        for now in (0..20_000).step_by(7).map(UnixSeconds) {
            if FIVE.room(&failures, now) == Room::Open {
                failures.drain(..FIVE.forgotten(&failures, now));
                failures.push(now);
                evaluated.push(now);
            }
        }
        assert!(evaluated.len() > 50);
        for window in evaluated.windows(6) {
            assert!(
                window[5].since(window[0]) >= 300,
                "six evaluations within 300 s: {window:?}"
            );
        }
    }

    #[test]
    fn stricter_room_wins() {
        let (short, long) = (
            Room::Closed { retry_after_s: 1 },
            Room::Closed { retry_after_s: 9 },
        );
        assert_eq!(Room::Open.and(short), short);
        assert_eq!(long.and(short), long);
        assert_eq!(Room::Open.and(Room::Open), Room::Open);
    }
}
