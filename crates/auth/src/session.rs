//! Sessions: how long they live, what opens them, and how strongly they were proven.
//!
//! Knows: the two time-outs, the levels and the keys. Must never know: cookies or headers.

use alloc::string::ToString;

pub use countersign_core::elevation::Level;
use countersign_core::elevation::Standing;
use countersign_core::time::UnixSeconds;

use crate::id::{Digest, SessionToken};

use crate::policy::{HOSTS_MAX, Policy};
use crate::record::{Session, SessionKey};
use crate::rule::Entropy;

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

/// What whoever shows a key has proven; none when it opens nothing at that place, or is over.
///
/// # Security
/// Every key is compared, each in constant time.
pub fn opened(session: &Session, key: Digest, host: Option<&str>, now: UnixSeconds) -> Option<Standing> {
    let opens = |kept: &&SessionKey| {
        let is_key = kept.digest.is(&key);
        is_key && kept.host.as_deref() == host && kept.until.is_none_or(|until| now < until)
    };
    let mut opening = session.keys.iter().filter(opens);
    let standing = opening.next().map(|kept| kept.standing);
    opening.for_each(drop);
    standing
}

/// Makes a new key to a session at a place, worth what the session now stands for. The key it replaces there lives on
/// for requests in flight, for so many seconds.
pub fn renew_key(
    session: &mut Session,
    host: Option<&str>,
    overlap_s: u32,
    now: UnixSeconds,
    entropy: &mut dyn Entropy,
) -> SessionToken {
    let last = now.plus(u64::from(overlap_s));
    session
        .keys
        .retain(|kept| kept.until.is_none_or(|until| now < until));
    for kept in session
        .keys
        .iter_mut()
        .filter(|kept| kept.host.as_deref() == host)
    {
        kept.until = Some(kept.until.map_or(last, |until| until.min(last)));
    }
    while session.keys.len() >= HOSTS_MAX {
        // The session's own key stays, or entering hosts would sign out.
        let oldest = session.keys.iter().position(|kept| kept.host.is_some());
        session.keys.remove(oldest.unwrap_or(0));
    }
    let token = SessionToken::renew(&session.handle, entropy);
    session.keys.push(SessionKey {
        digest: token.key(),
        host: host.map(ToString::to_string),
        standing: session.standing,
        until: None,
    });
    token
}
