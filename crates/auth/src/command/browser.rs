//! Known browsers: their owner sees which they are, and makes one or all of them strangers again.
//!
//! Knows: whose browsers they are. Must never know: cookies. A known browser replaces no factor and opens nothing; it
//! has a budget of its own in the throttle, which it loses by this. Read next: `know_browser` in the module above.

use alloc::string::String;
use alloc::vec::Vec;

use super::put;
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::name::Name;
use crate::record::{Key, Open};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;

/// Which known browsers of an account are to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// The one with this short identifier.
    One(String),
}

/// Forgets known browsers at their owner's wish.
#[derive(Clone, Debug)]
pub struct Forget {
    /// The session that asks.
    pub session: Digest,
    /// Whose browsers they are.
    pub name: Name,
    /// Which are to be forgotten.
    pub which: Which,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Forget {
    /// How many were forgotten.
    type Outcome = usize;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone()), Key::Session(self.session)]
    }

    fn decide(&self, seen: &Snapshot, _: &mut World<'_>) -> Result<Decision<usize>, Fault> {
        let asking = seen
            .session(self.session)
            .filter(|session| session.account == self.name);
        let (Some(account), Some(_)) = (seen.account(&self.name), asking) else {
            return Ok(Decision::unchanged(0));
        };
        let mut account = account.clone();
        let is_meant = |open: &mut Open| match &self.which {
            Which::All => true,
            Which::One(short) => open.id.short() == *short,
        };
        let forgotten: Vec<Open> = account.browsers.extract_if(.., is_meant).collect();
        if forgotten.is_empty() {
            return Ok(Decision::unchanged(0));
        }
        let mut changes = alloc::vec![put(account)];
        for open in &forgotten {
            changes.push(Change::Delete(Key::Browser(open.id)));
            let event = Event::about(Act::BrowserForget, Ending::Success, &self.name, &self.origin);
            changes.push(Change::Audit(event.because(Reason::ByOwner).on(open.id.short())));
        }
        Ok(Decision {
            outcome: forgotten.len(),
            changes,
        })
    }
}
