//! The store's port: a few operations over versioned records, the same for every store.
//!
//! Knows: keys, versions, batches, and which decisions of a batch may stand. Must never know: rules, doors,
//! time or keys; nothing here assumes that this process is the only writer. A new store is a file here and
//! passes the conformance suite.
//!
//! Read next: [`Batch::fates`], the one place where it is decided who lost a race.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_auth::event::Event;
use countersign_auth::record::{Key, Record};
use countersign_auth::rule::Change;
use countersign_auth::snapshot::{Stored, Version};
use countersign_core::time::UnixSeconds;

mod codec;
pub mod faulty;
pub mod memory;
pub mod postgres;
pub mod sqlite;
pub mod transfer;

pub use codec::{Kind, key_of};

/// Most decisions in one batch.
pub const BATCH_MAX: usize = 64;

/// One decision that waits to be committed.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it was decided upon.
    pub reads: Vec<(Key, Version)>,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// Decisions that are committed together, each seeing the ones before it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The decisions, in the order they were made.
    pub parts: Vec<Part>,
    /// When they were made; the store remembers the highest time it ever saw.
    pub now: UnixSeconds,
    /// The key that their secrets are sealed under. Where [`NOTE_SEALING_KEY`] names another by now, all of them are
    /// lost: a key that is about to be forgotten seals nothing more. None where nothing is sealed.
    pub sealing_key: Option<String>,
}

/// What became of one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fate {
    /// Durable.
    Committed,
    /// Something it was decided upon had changed; decide again.
    Lost,
}

/// Why a batch as a whole got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing was done: the store is out of reach, full, or broken.
    Unavailable(String),
    /// The commit was sent and its answer lost: it may stand or not. Never decide again, never say "refused".
    Unknown(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unavailable(cause) => write!(f, "the store can't be used: {cause}"),
            StoreError::Unknown(cause) => write!(f, "the store did not say whether it committed: {cause}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// One numbered and chained entry of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The node whose chain it belongs to.
    pub node: String,
    /// Its number in that chain, from 1, without gaps.
    pub number: u64,
    /// When.
    pub at: UnixSeconds,
    /// The event as it was chained, byte for byte.
    pub body: String,
    /// HMAC over the predecessor's and this entry's bytes.
    pub mac: [u8; 32],
}

/// A place in one node's chain by time: before it is what is dated earlier, and of one second what has a lower number.
///
/// Times rise with the numbers, except where a clock that had been ahead was put right. There an entry is found under
/// the time it says, and its number tells in which order things really happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When.
    pub at: UnixSeconds,
    /// The number in the chain.
    pub number: u64,
}

impl Place {
    /// Before everything that happened at a time or later.
    pub fn before(at: UnixSeconds) -> Place {
        Place { at, number: 0 }
    }
}

/// Numbers and chains the events of the decisions that stand; called by the store once it knows what becomes of each.
pub type Chain<'a> = dyn FnMut(&[Fate]) -> Vec<AuditRow> + 'a;

/// What a store that several nodes share says of itself, several times a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Its clock, since 1970.
    pub now: Duration,
    /// What [`NOTE_SEALING_KEY`] says.
    pub sealing_key: Option<String>,
}

/// A moment by the clocks of whoever listens to a store, which knows of no clock but its own.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Wall time, since 1970.
    pub wall: Duration,
    /// Time since some fixed moment.
    pub monotonic: Duration,
}

/// Who listens to a store that several nodes share.
pub trait Listener: Send + Sync {
    /// The store is about to be asked for a beat.
    fn asking(&self) -> Moment;

    /// It answered what was asked for at that moment.
    fn heard(&self, asked: Moment, beat: Beat);

    /// It can't be heard, for this reason.
    fn silent(&self, error: &StoreError);

    /// A node, perhaps this one, ended what stood under this key. A hint: it may come late, and never when the
    /// connection broke.
    fn ended(&self, key: &Key);
}

/// What every store can do. Calls block; they are made from the committer's thread or from threads that may
/// wait.
pub trait Store: Send + Sync {
    /// Reads keys; the answers stand in the order of the keys.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn load(&self, keys: &[Key]) -> Result<Vec<Stored>, StoreError>;

    /// Makes the decisions of a batch durable whose reads still hold; see [`Batch::fates`].
    ///
    /// # Errors
    /// [`StoreError`]; nothing is known of any decision then, or nothing was done.
    fn commit(&self, batch: &Batch, chain: &mut Chain<'_>) -> Result<Vec<Fate>, StoreError>;

    /// Records of a kind in the order of their ids, after one id or from the first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn list(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<(Key, Record)>, StoreError>;

    /// Keys of records that were over at a time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn expired(&self, now: UnixSeconds, limit: usize) -> Result<Vec<Key>, StoreError>;

    /// Entries of one node's chain after a number, in order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn audit(&self, node: &str, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError>;

    /// Entries of one node's chain that lie before a place and are dated `since` or later, the latest first: by their
    /// times, and of one second by their numbers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn audit_before(
        &self,
        node: &str,
        since: UnixSeconds,
        before: Place,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError>;

    /// The last entry of each node's chain.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn audit_heads(&self) -> Result<Vec<AuditRow>, StoreError>;

    /// A note about the whole store: the key ring it belongs to, the highest time seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn note(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Sets a note.
    ///
    /// # Errors
    /// [`StoreError`].
    fn set_note(&self, name: &str, value: &str) -> Result<(), StoreError>;

    /// Sets a note unless it is set already; answers what it says then. Of several nodes that start at once, one
    /// sets it. A store of one process may do it in two steps.
    ///
    /// # Errors
    /// [`StoreError`].
    fn claim_note(&self, name: &str, value: &str) -> Result<String, StoreError> {
        match self.note(name)? {
            Some(kept) => Ok(kept),
            None => self.set_note(name, value).map(|()| value.to_owned()),
        }
    }

    /// Tells a listener of beats and ends from now on, in the name of a node that no other node may have; whether it
    /// will. An embedded store has nothing to tell.
    fn follow(&self, node: &str, listener: Arc<dyn Listener>) -> bool {
        let _ = (node, listener);
        false
    }

    /// Writes a consistent copy of everything to a new file, while the store is in use.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn copy_to(&self, file: &std::path::Path) -> Result<(), StoreError>;
}

/// The note that holds the highest time ever committed.
pub const NOTE_HIGH_WATER: &str = "high_water";
/// The note that names the key ring.
pub const NOTE_RING: &str = "key_ring";
/// The note that says that codes for trying out were ever accepted for what is in this store.
pub const NOTE_DUMMY: &str = "dummy_codes";
/// The note that says whether this store is a copy that was never finished.
pub const NOTE_COPY: &str = "copy";
/// The note that names the newest sealing key of the ring.
pub const NOTE_SEALING_KEY: &str = "sealing_key";

impl Batch {
    /// Whether its decisions sealed under a key that is no longer the newest.
    pub fn is_sealed_under_an_older_key(&self, newest: Option<&str>) -> bool {
        match (&self.sealing_key, newest) {
            (Some(used), Some(newest)) => used != newest,
            _ => false,
        }
    }

    /// Every key that any decision was made upon, or changes.
    pub fn touched(&self) -> BTreeSet<&Key> {
        let changed = self.parts.iter().flat_map(|part| &part.changes);
        let changed = changed.filter_map(|change| match change {
            Change::Put(key, _) | Change::Delete(key) => Some(key),
            Change::Audit(_) => None,
        });
        self.keys().into_iter().chain(changed).collect()
    }

    /// Every key that any decision was made upon.
    pub fn keys(&self) -> BTreeSet<&Key> {
        self.parts
            .iter()
            .flat_map(|part| part.reads.iter().map(|(key, _)| key))
            .collect()
    }

    /// Which decisions stand, given the versions the store holds now.
    ///
    /// A decision is lost when a key it read has another version, or was changed by a decision of this batch
    /// that is lost itself: it was made upon something that never happened.
    pub fn fates(&self, stored: &BTreeMap<&Key, Version>) -> Vec<Fate> {
        let mut tainted: BTreeSet<&Key> = BTreeSet::new();
        let mut fates = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let holds = |(key, version): &(Key, Version)| {
                stored.get(key).copied().unwrap_or(0) == *version && !tainted.contains(key)
            };
            if part.reads.iter().all(holds) {
                fates.push(Fate::Committed);
            } else {
                fates.push(Fate::Lost);
                tainted.extend(part.changes.iter().filter_map(|change| match change {
                    Change::Put(key, _) | Change::Delete(key) => Some(key),
                    Change::Audit(_) => None,
                }));
            }
        }
        fates
    }

    /// The changes of the decisions that stand, in order.
    pub fn winning<'a>(&'a self, fates: &'a [Fate]) -> impl Iterator<Item = &'a Change> {
        let stands = self
            .parts
            .iter()
            .zip(fates)
            .filter(|(_, fate)| **fate == Fate::Committed);
        stands.flat_map(|(part, _)| &part.changes)
    }

    /// The audit events of the decisions that stand, in order.
    pub fn events<'a>(&'a self, fates: &'a [Fate]) -> Vec<&'a Event> {
        let event = |change: &'a Change| match change {
            Change::Audit(event) => Some(event),
            _ => None,
        };
        self.winning(fates).filter_map(event).collect()
    }
}
