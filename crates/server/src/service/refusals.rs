//! Refusals that cost nothing are audited by the minute: one entry per act, reason and source, with a count.
//!
//! Knows: counts. Must never know: names. A flood can neither fill the disk nor make the committer wait.

use std::collections::BTreeMap;
use std::sync::Mutex;

use countersign_auth::event::{Act, Ending, Event, Origin, Reason};

/// Different entries a minute can have; what comes beyond is counted together, without its source.
const ENTRIES_MAX: usize = 4096;

/// What was refused, why, and which network asked.
type Kind = (Act, Reason, String);

/// Counts refusals until they are drained into the audit.
#[derive(Default)]
pub struct Refusals {
    counted: Mutex<BTreeMap<Kind, (Origin, u32)>>,
}

impl Refusals {
    /// Counts one.
    pub fn count(&self, act: Act, reason: Reason, origin: &Origin) {
        let mut counted = self.lock();
        let mut key = (act, reason, origin.network.clone());
        if counted.len() >= ENTRIES_MAX && !counted.contains_key(&key) {
            key.2 = "elsewhere".into();
        }
        counted.entry(key).or_insert_with(|| (origin.clone(), 0)).1 += 1;
    }

    /// Takes what was counted.
    pub fn take(&self) -> Counted {
        Counted(std::mem::take(&mut *self.lock()))
    }

    /// Counts again what could not be written down.
    pub fn take_back(&self, back: Counted) {
        let mut counted = self.lock();
        for (kind, (origin, count)) in back.0 {
            counted.entry(kind).or_insert_with(|| (origin, 0)).1 += count;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Kind, (Origin, u32)>> {
        self.counted
            .lock()
            .expect("no thread panics while it holds the counts")
    }
}

/// Refusals that were counted.
pub struct Counted(BTreeMap<Kind, (Origin, u32)>);

impl Counted {
    /// One event for each act, reason and source.
    pub fn events(&self) -> Vec<Event> {
        let event = |((act, reason, network), (origin, count)): (&Kind, &(Origin, u32))| Event {
            count: *count,
            source: network.clone(),
            request: String::new(),
            ..Event::plain(*act, Ending::Refused, origin).because(*reason)
        };
        self.0.iter().map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use countersign_auth::event::Door;

    use super::*;

    #[test]
    fn what_could_not_be_written_is_counted_again_with_what_came_since() {
        let origin = Origin {
            door: Door::Http,
            network: "192.0.2.1".into(),
            browser: None,
            remember: false,
            agent: String::new(),
            request: String::new(),
            by: None,
        };
        let refusals = Refusals::default();
        let count = || refusals.count(Act::CodeCheck, Reason::Throttled, &origin);
        count();
        let taken = refusals.take();
        count();
        refusals.take_back(taken);
        let counts: Vec<u32> = refusals.take().events().iter().map(|event| event.count).collect();
        assert_eq!(counts, [2]);
        assert!(refusals.take().events().is_empty());
    }
}
