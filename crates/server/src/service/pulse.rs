//! Whether this node may decide anything now: its clock is believed, it hears its store, and it holds the newest key.
//!
//! Knows: how old the last word of a shared store may be, and how far its clock may be from ours. Must never know: how
//! a store speaks. A node that is cut off knows nothing of what the others revoke, so it refuses until it hears again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
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
    /// Somebody may wait for the first beat.
    heard: Condvar,
}

#[derive(Default)]
struct State {
    hearing: Hearing,
    /// Why it is not heard, as the store last said.
    trouble: Option<StoreError>,
    /// The newest sealing key, as the store last named it.
    newest: Option<String>,
    /// That key, while this node does not hold it.
    lacking: Option<String>,
}

/// What was heard of the store.
#[derive(Clone, Copy, Default)]
enum Hearing {
    /// Nothing, since it is no shared one.
    #[default]
    Needless,
    /// Nothing yet.
    Awaited,
    /// An answer to what was asked at that time, by the monotonic clock.
    Asked(Duration),
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
            heard: Condvar::new(),
        }
    }

    /// From now on the store must be heard.
    pub fn expect(&self) {
        self.state().hearing = Hearing::Awaited;
    }

    /// The store has nothing to say.
    pub fn expect_nothing(&self) {
        self.state().hearing = Hearing::Needless;
    }

    /// Waits until the store was heard, where it must be, but no longer than this.
    ///
    /// # Errors
    /// [`Failure::Store`] with what stands in the way.
    pub fn wait(&self, longest: Duration) -> Result<(), Failure> {
        let is_awaited = |state: &mut State| matches!(state.hearing, Hearing::Awaited);
        let (state, _) = self
            .heard
            .wait_timeout_while(self.state(), longest, is_awaited)
            .expect("no thread panics while it holds the pulse");
        match state.hearing {
            Hearing::Awaited => Err(state.silence("it was not heard yet")),
            Hearing::Needless | Hearing::Asked(_) => Ok(()),
        }
    }

    /// The time, if anything may be decided at it.
    ///
    /// # Errors
    /// [`Failure::Clock`], [`Failure::Store`] or [`Failure::Ring`]; each but the first goes away by itself.
    pub fn now(&self) -> Result<UnixSeconds, Failure> {
        let now = self.clock.now().map_err(Failure::Clock)?;
        let state = self.state();
        match state.hearing {
            Hearing::Needless => {}
            Hearing::Awaited => return Err(state.silence("it was not heard yet")),
            Hearing::Asked(at) => {
                let silent = self.clock.clock().monotonic().saturating_sub(at);
                if silent > SILENCE_MAX {
                    return Err(state.silence(&format!("it was not heard of for {} s", silent.as_secs())));
                }
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

impl State {
    fn silence(&self, what: &str) -> Failure {
        let cause = match &self.trouble {
            Some(StoreError::Unavailable(why) | StoreError::Unknown(why)) => format!("{what}: {why}"),
            None => what.to_owned(),
        };
        Failure::Store(StoreError::Unavailable(cause))
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
            self.keys.read_anew(beat.sealing_key.as_deref());
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
            hearing: Hearing::Asked(asked.monotonic),
            trouble: None,
            newest: beat.sealing_key,
            lacking,
        };
        self.heard.notify_all();
    }

    fn silent(&self, error: &StoreError) {
        self.state().trouble = Some(error.clone());
    }

    fn ended(&self, key: &Key) {
        (self.ended)(key);
    }
}
