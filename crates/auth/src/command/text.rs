//! The installation's own texts of what is sent: set for all nodes, and taken back.
//!
//! Knows: that a text is a record, and its change an entry of the audit. Must never know: what kinds of texts there
//! are, or what a text must hold; whoever sends it judges it before it comes here, and once more before it is used.

use alloc::string::String;
use alloc::vec::Vec;

use crate::event::{Act, Ending, Event, Origin};
use crate::record::{Key, Record, Text};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;

/// Sets a text.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its kind.
    pub kind: String,
    /// What it says.
    pub text: String,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Set {
    type Outcome = ();

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Text(self.kind.clone())]
    }

    fn decide(&self, _: &Snapshot, world: &mut World<'_>) -> Result<Decision<()>, Fault> {
        let text = Text {
            text: self.text.clone(),
            set_at: world.now,
        };
        let event = Event::plain(Act::TextSet, Ending::Success, &self.origin).on(self.kind.as_str());
        Ok(Decision {
            outcome: (),
            changes: alloc::vec![
                Change::Put(Key::Text(self.kind.clone()), Record::Text(text)),
                Change::Audit(event),
            ],
        })
    }
}

/// Takes a text back, so that the product's own is used again.
#[derive(Clone, Debug)]
pub struct Reset {
    /// Its kind.
    pub kind: String,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Reset {
    /// Whether one was set.
    type Outcome = bool;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Text(self.kind.clone())]
    }

    fn decide(&self, seen: &Snapshot, _: &mut World<'_>) -> Result<Decision<bool>, Fault> {
        let key = Key::Text(self.kind.clone());
        if seen.record(&key).is_none() {
            return Ok(Decision::unchanged(false));
        }
        let event = Event::plain(Act::TextReset, Ending::Success, &self.origin).on(self.kind.as_str());
        Ok(Decision {
            outcome: true,
            changes: alloc::vec![Change::Delete(key), Change::Audit(event)],
        })
    }
}
