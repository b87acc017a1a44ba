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
        let mut counted = self
            .counted
            .lock()
            .expect("no thread panics while it holds the counts");
        let mut key = (act, reason, origin.network.clone());
        if counted.len() >= ENTRIES_MAX && !counted.contains_key(&key) {
            key.2 = "elsewhere".into();
        }
        counted.entry(key).or_insert_with(|| (origin.clone(), 0)).1 += 1;
    }

    /// Takes what was counted, as events.
    pub fn drain(&self) -> Vec<Event> {
        let counted = std::mem::take(
            &mut *self
                .counted
                .lock()
                .expect("no thread panics while it holds the counts"),
        );
        let event = |((act, reason, network), (origin, count)): (Kind, (Origin, u32))| Event {
            count,
            source: network,
            request: String::new(),
            ..Event::plain(act, Ending::Refused, &origin).because(reason)
        };
        counted.into_iter().map(event).collect()
    }
}
