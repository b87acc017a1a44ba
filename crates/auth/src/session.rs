//! Sessions: how long they live, and how strongly they were proven.
//!
//! Knows: the two time-outs and the levels. Must never know: cookies or headers.

pub use countersign_core::elevation::Level;
use countersign_core::time::UnixSeconds;

use crate::policy::Policy;
use crate::record::Session;

/// Whether a session may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SessionVerdict {
    /// It may, and ends at this time unless there is activity.
    Live {
        /// The earlier of both time-outs.
        until: UnixSeconds,
    },
    /// Nothing happened in it for too long.
    Idle,
    /// Its absolute lifetime is over, or it is dated after now.
    Expired,
}

/// Whether what was opened at one time and ends at another is open now.
///
/// *Security*: what is dated after now was opened while the clock was ahead; once an operator has put the clock
/// right, it is over, and does not live on until that time comes.
pub fn is_open(created_at: UnixSeconds, expires_at: UnixSeconds, now: UnixSeconds) -> bool {
    !created_at.is_ahead_of(now) && now < expires_at
}

/// Judges a session at a moment; `last_seen` is the newest activity known, stored or in memory.
///
/// *Bounds*: both time-outs are exclusive: a session of 3600 s is live at 3599 s and over at 3600 s.
pub fn judge(session: &Session, last_seen: UnixSeconds, now: UnixSeconds, policy: &Policy) -> SessionVerdict {
    let idle_at = last_seen
        .max(session.last_seen)
        .plus(u64::from(policy.session_idle_s));
    if !is_open(session.created_at, session.expires_at, now) {
        SessionVerdict::Expired
    } else if now >= idle_at {
        SessionVerdict::Idle
    } else {
        SessionVerdict::Live {
            until: session.expires_at.min(idle_at),
        }
    }
}
