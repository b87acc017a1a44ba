//! Whether this node may decide anything now: its clock is believed, it hears its store, and it holds the newest key.
//!
//! Knows: how old the last word of a shared store may be, and how far its clock may be from ours. Must never know: how
//! a store speaks. A node that is cut off knows nothing of what the others revoke, so it refuses until it hears again.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use countersign_auth::record::Key;
use countersign_core::time::UnixSeconds;

use super::Failure;
use super::clock::ClockGuard;
use super::keys::Keys;
use crate::store::{Beat, Listener, Moment, StoreError};

/// How old the last word of a shared store may be.
pub const SILENCE_MAX: Duration = Duration::from_secs(1);

/// What stands in the way of deciding, watched.
pub struct Pulse {
    clock: Arc<ClockGuard>,
    keys: Arc<Keys>,
    ended: Box<dyn Fn(&Key) + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the last answer was asked for, by the monotonic clock; none while the store is no shared one.
    heard: Option<Duration>,
    /// The newest sealing key, as the store last named it.
    newest: Option<String>,
    /// That key, while this node does not hold it.
    lacking: Option<String>,
}

impl Pulse {
    /// Begins to watch; `ended` is told what other nodes ended.
    pub fn new(
        clock: Arc<ClockGuard>,
        keys: Arc<Keys>,
        ended: impl Fn(&Key) + Send + Sync + 'static,
    ) -> Pulse {
        Pulse {
            clock,
            keys,
            ended: Box::new(ended),
            state: Mutex::default(),
        }
    }

    /// From now on the store must be heard.
    pub fn expect(&self) {
        self.state().heard = Some(self.clock.clock().monotonic());
    }

    /// Whether the store is one that several nodes share.
    pub fn is_of_a_shared_store(&self) -> bool {
        self.state().heard.is_some()
    }

    /// The time, if anything may be decided at it.
    ///
    /// # Errors
    /// [`Failure::Clock`], [`Failure::Store`] or [`Failure::Ring`]; each but the first goes away by itself.
    pub fn now(&self) -> Result<UnixSeconds, Failure> {
        let now = self.clock.now().map_err(Failure::Clock)?;
        let state = self.state();
        if let Some(heard) = state.heard {
            let silent = self.clock.clock().monotonic().saturating_sub(heard);
            if silent > SILENCE_MAX {
                let cause = format!("it was not heard of for {} s", silent.as_secs());
                return Err(Failure::Store(StoreError::Unavailable(cause)));
            }
        }
        match &state.lacking {
            Some(id) => Err(Failure::Ring(id.clone())),
            None => Ok(now),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the pulse")
    }
}

impl Listener for Pulse {
    fn asking(&self) -> Moment {
        let clock = self.clock.clock();
        Moment {
            wall: clock.since_1970(),
            monotonic: clock.monotonic(),
        }
    }

    fn heard(&self, asked: Moment, beat: Beat) {
        self.clock.compare(asked.wall, beat.now);
        let unchanged = {
            let state = self.state();
            state.lacking.is_none() && state.newest == beat.sealing_key
        };
        if !unchanged {
            // Another node may have added a key just now.
            self.keys.read_anew();
        }
        let lacking = beat.sealing_key.clone().filter(|id| !self.keys.holds(id));
        let mut state = self.state();
        if lacking.is_some() && state.lacking != lacking {
            tracing::error!(
                key = lacking,
                "the key ring lacks the newest key; nothing is decided without it"
            );
        }
        *state = State {
            heard: Some(asked.monotonic),
            newest: beat.sealing_key,
            lacking,
        };
    }

    fn ended(&self, key: &Key) {
        (self.ended)(key);
    }
}
