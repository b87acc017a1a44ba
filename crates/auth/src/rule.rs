//! The shape of every rule: declare what to read, then decide from what was read.
//!
//! Knows: the walk load → decide → commit. Must never know: how a store or a service carries it out. A rule
//! may be asked twice (another node won the race), so it takes `&self` and keeps nothing. A decision has no
//! list of effects: a deleted session *is* the hint that its sockets must close, a stored notice *is* the
//! outbox, an audit change *is* the log. Whoever commits derives all of them from the committed changes.

use alloc::vec::Vec;

use countersign_core::time::UnixSeconds;

use crate::event::Event;
use crate::policy::Policy;
use crate::record::{Key, Record};
use crate::seal::{KeyRing, SealError};
use crate::snapshot::Snapshot;

/// Where randomness comes from; injected so that tests can repeat a decision.
pub trait Entropy {
    /// Fills the whole buffer with random bytes.
    fn fill(&mut self, buffer: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    fn fill(&mut self, buffer: &mut [u8]) {
        self(buffer);
    }
}

/// All that a rule may know besides the records.
pub struct World<'a> {
    /// The time of this decision, from a clock that was found sound.
    pub now: UnixSeconds,
    /// The operator's numbers.
    pub policy: &'a Policy,
    /// The keys that open sealed secrets and hash names.
    pub keys: &'a KeyRing,
    /// Randomness for tokens, secrets and nonces.
    pub entropy: &'a mut dyn Entropy,
}

/// One thing a commit does. The changes of a decision become durable together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Stores a record under its key, replacing what stood there.
    Put(Key, Record),
    /// Removes what stands under the key.
    Delete(Key),
    /// Adds an entry to the audit.
    Audit(Event),
}

/// What a rule decided. The outcome is revealed only after the changes are durable.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<O> {
    /// The answer for whoever asked.
    pub outcome: O,
    /// What must be durable before the answer is given.
    pub changes: Vec<Change>,
}

impl<O> Decision<O> {
    /// A decision that changes nothing.
    pub fn unchanged(outcome: O) -> Decision<O> {
        Decision {
            outcome,
            changes: Vec::new(),
        }
    }
}

/// A rule could not be decided through a fault of ours or of the operator; nothing is changed and nothing is
/// revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A stored secret could not be opened: its key is missing or the record was altered.
    Seal(SealError),
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Fault {
        Fault::Seal(error)
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Fault::Seal(error) => error.fmt(f),
        }
    }
}

/// A rule: values in, values out.
pub trait Rule {
    /// What the asker learns.
    type Outcome;

    /// The keys this rule must have read. Called again with what was read so far until it names nothing new,
    /// so that a rule may follow a token to its account.
    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key>;

    /// Decides. Reads only keys that [`Rule::reads`] named.
    ///
    /// # Errors
    /// [`Fault`] when a secret can't be opened; the caller then answers "unavailable", never "refused".
    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault>;
}
