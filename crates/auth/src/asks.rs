//! How often a person may be asked for something: nobody is worn down until they agree.
//!
//! Knows: who asked within the last hour. Must never know: what was asked, or answered. Every ask counts, whatever came
//! of it (ASVS 6.6.4). The account keeps the list, so it holds over all doors and nodes.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::limit::Room;
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};

/// Most asks of one account within an hour.
pub const ASKS_MAX: usize = 30;
/// Most of them by one application, or from one network.
pub const ASKS_OF_ONE_MAX: usize = 10;
/// Seconds for which an ask counts.
const HOUR_S: u64 = 3_600;

/// Somebody asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// When.
    pub at: UnixSeconds,
    /// Who: an application's name, or a network.
    pub by: String,
}

/// Counts an ask, or says how long there is no room for one.
pub fn take(asks: &mut Vec<Ask>, by: &str, now: UnixSeconds) -> Room {
    // One that is dated after now was counted while the clock was ahead.
    asks.retain(|ask| !ask.at.is_ahead_of(now) && now.since(ask.at) < HOUR_S);
    let own: Vec<UnixSeconds> = asks.iter().filter(|ask| ask.by == by).map(|ask| ask.at).collect();
    let all: Vec<UnixSeconds> = asks.iter().map(|ask| ask.at).collect();
    let room = until_one_leaves(&own, ASKS_OF_ONE_MAX, now).and(until_one_leaves(&all, ASKS_MAX, now));
    if room == Room::Open {
        asks.push(Ask {
            at: now,
            by: String::from(by),
        });
    }
    room
}

fn until_one_leaves(asked: &[UnixSeconds], most: usize, now: UnixSeconds) -> Room {
    match asked.len().checked_sub(most).and_then(|beyond| asked.get(beyond)) {
        None => Room::Open,
        Some(leaving) => Room::Closed {
            retry_after_s: u32::try_from(HOUR_S - now.since(*leaving))
                .unwrap_or(u32::MAX)
                .max(1),
        },
    }
}
