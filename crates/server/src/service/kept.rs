//! What was read a moment ago and may be believed for a moment: bounded in number and age, forgotten when it changes.
//!
//! Knows: when something was read, and that a change that comes while it is read makes it worthless. Must never know:
//! what is kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

use super::lock;

/// Values that were read a moment ago.
pub struct Kept<K, V> {
    state: Mutex<State<K, V>>,
    longest: Duration,
    most: usize,
}

struct State<K, V> {
    values: HashMap<K, (Duration, V)>,
    /// How often anything was forgotten because it changed.
    changes: u64,
}

/// That somebody is about to read: when, and what had changed by then.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    at: Duration,
    changes: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Kept<K, V> {
    /// Keeps as many values as `most`, none of them for longer than `longest`.
    pub fn new(longest: Duration, most: usize) -> Kept<K, V> {
        let values = HashMap::new();
        Kept {
            state: Mutex::new(State { values, changes: 0 }),
            longest,
            most,
        }
    }

    /// What is kept, unless it is too old at a moment of the monotonic clock.
    pub fn find(&self, key: &K, now: Duration) -> Option<V> {
        let state = lock(&self.state);
        let (read_at, value) = state.values.get(key)?;
        (now.saturating_sub(*read_at) < self.longest).then(|| value.clone())
    }

    /// To be called before the value is read.
    pub fn asking(&self, now: Duration) -> Asking {
        Asking {
            at: now,
            changes: lock(&self.state).changes,
        }
    }

    /// Keeps what was read, unless something changed since it was asked for.
    pub fn keep(&self, asked: Asking, key: K, value: V) {
        let mut state = lock(&self.state);
        if state.changes != asked.changes {
            return;
        }
        if state.values.len() >= self.most {
            let longest = self.longest;
            let at = asked.at;
            state
                .values
                .retain(|_, (read_at, _)| at.saturating_sub(*read_at) < longest);
        }
        if state.values.len() < self.most {
            state.values.insert(key, (asked.at, value));
        }
    }

    /// Forgets what changed.
    pub fn forget(&self, key: &K) {
        let mut state = lock(&self.state);
        state.changes += 1;
        state.values.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(500);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn value_is_kept_for_its_time_and_no_longer() {
        let kept = Kept::new(LONGEST, 8);
        kept.keep(kept.asking(at(1000)), "key", 1);
        assert_eq!(kept.find(&"key", at(1499)), Some(1));
        assert_eq!(kept.find(&"key", at(1500)), None);
    }

    #[test]
    fn value_that_changed_while_it_was_read_is_not_kept() {
        let kept = Kept::new(LONGEST, 8);
        let asked = kept.asking(at(0));
        kept.forget(&"key");
        kept.keep(asked, "key", 1);
        assert_eq!(kept.find(&"key", at(0)), None);
    }

    #[test]
    fn full_table_makes_room_by_age_alone() {
        let kept = Kept::new(LONGEST, 2);
        kept.keep(kept.asking(at(0)), "old", 1);
        kept.keep(kept.asking(at(400)), "young", 2);
        kept.keep(kept.asking(at(450)), "beyond", 3);
        assert_eq!(kept.find(&"beyond", at(450)), None, "nothing young is driven out");
        kept.keep(kept.asking(at(600)), "later", 4);
        assert_eq!(kept.find(&"later", at(600)), Some(4));
        assert_eq!(kept.find(&"young", at(600)), Some(2));
    }
}
