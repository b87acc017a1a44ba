//! Applications that may ask about tokens: added, known by a secret, removed.
//!
//! Knows: that a secret is shown once and kept as a digest. Must never know: what they ask.

use alloc::vec::Vec;

use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{Digest, Token};
use crate::name::Name;
use crate::record::{Application, Key, Record};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;

/// Adds an application, or gives the one of that name another secret.
#[derive(Clone, Debug)]
pub struct Add {
    /// Its name.
    pub name: Name,
    /// Whether it may be there already.
    pub renew: bool,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Add {
    /// The secret, to be shown once; none when the name is taken, or is to be renewed and is not.
    type Outcome = Option<Token>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Application(self.name.clone())]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let key = Key::Application(self.name.clone());
        if seen.record(&key).is_some() != self.renew {
            return Ok(Decision::unchanged(None));
        }
        let secret = Token::draw(world.entropy);
        let application = Application {
            name: self.name.clone(),
            created_at: world.now,
            secret: secret.digest(),
        };
        let event = Event::plain(Act::ApplicationAdd, Ending::Success, &self.origin).on(self.name.as_str());
        Ok(Decision {
            outcome: Some(secret),
            changes: alloc::vec![
                Change::Put(key, Record::Application(application)),
                Change::Audit(event.because(Reason::ByOperator)),
            ],
        })
    }
}

/// Removes an application.
#[derive(Clone, Debug)]
pub struct Remove {
    /// Its name.
    pub name: Name,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Remove {
    /// Whether there was one.
    type Outcome = bool;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Application(self.name.clone())]
    }

    fn decide(&self, seen: &Snapshot, _: &mut World<'_>) -> Result<Decision<bool>, Fault> {
        let key = Key::Application(self.name.clone());
        if seen.record(&key).is_none() {
            return Ok(Decision::unchanged(false));
        }
        let event =
            Event::plain(Act::ApplicationRemove, Ending::Success, &self.origin).on(self.name.as_str());
        Ok(Decision {
            outcome: true,
            changes: alloc::vec![
                Change::Delete(key),
                Change::Audit(event.because(Reason::ByOperator)),
            ],
        })
    }
}

/// Whether a secret is an application's own.
///
/// # Security
/// Compared in constant time. A secret has 256 bits, so guesses need no budget.
pub fn is_known(application: Option<&Application>, secret: &str) -> bool {
    let shown = Digest::of(secret);
    application.is_some_and(|application| application.secret.is(&shown))
}
