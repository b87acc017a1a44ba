//! What the server does for itself: note events, write activity down, sweep, hand notices on, seal anew.
//!
//! Knows: that these too are rules with an audit. Must never know: when they run.

use alloc::vec::Vec;

use countersign_core::time::UnixSeconds;

use super::{approval, number, put};
use crate::credential::Holder;
use crate::event::Event;
use crate::id::Digest;
use crate::name::Name;
use crate::record::{Key, Record};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;

/// Writes events that belong to no other change: a start, a stop, a minute's count of throttled attempts.
#[derive(Clone, Debug)]
pub struct Note {
    /// The events, in order.
    pub events: Vec<Event>,
}

impl Rule for Note {
    type Outcome = ();

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        Vec::new()
    }

    fn decide(&self, _: &Snapshot, _: &mut World<'_>) -> Result<Decision<()>, Fault> {
        Ok(Decision {
            outcome: (),
            changes: self.events.iter().cloned().map(Change::Audit).collect(),
        })
    }
}

/// Writes down the last activity of sessions and the last use of tokens for programs, otherwise kept in memory.
#[derive(Clone, Debug)]
pub struct Touch {
    /// Sessions and tokens, and the newest activity seen in them.
    pub seen: Vec<(Key, UnixSeconds)>,
}

impl Rule for Touch {
    type Outcome = ();

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        self.seen.iter().map(|(key, _)| key.clone()).collect()
    }

    fn decide(&self, seen: &Snapshot, _: &mut World<'_>) -> Result<Decision<()>, Fault> {
        let newer = self.seen.iter().filter_map(|(key, at)| {
            let mut record = seen.record(key)?.clone();
            let last = match &mut record {
                Record::Session(session) => &mut session.last_seen,
                Record::ApiToken(token) => token.last_used.get_or_insert_default(),
                _ => return None,
            };
            if *last >= *at {
                return None;
            }
            *last = *at;
            Some(Change::Put(key.clone(), record))
        });
        Ok(Decision {
            outcome: (),
            changes: newer.collect(),
        })
    }
}

/// Deletes records that are over.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Candidates, as the store listed them.
    pub keys: Vec<Key>,
}

impl Rule for Sweep {
    /// How many were deleted.
    type Outcome = usize;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        self.keys.clone()
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<usize>, Fault> {
        let over = |key: &&Key| {
            let expires_at = seen.record(key).and_then(Record::expires_at);
            expires_at.is_some_and(|expires_at| expires_at <= world.now)
        };
        let over: Vec<&Key> = self.keys.iter().filter(over).collect();
        let mut changes: Vec<_> = over.iter().map(|key| Change::Delete((*key).clone())).collect();
        // What nobody answered in time is told by nobody else.
        let unanswered = over.iter().filter_map(|key| match seen.record(key) {
            Some(Record::Approval(asked)) => approval::expired(asked),
            Some(Record::NumberRequest(asked)) => number::expired(asked),
            _ => None,
        });
        changes.extend(unanswered.map(Change::Audit));
        Ok(Decision {
            outcome: over.len(),
            changes,
        })
    }
}

/// Marks a notice as handed on.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The notice.
    pub notice: Digest,
}

impl Rule for Delivered {
    type Outcome = ();

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Notice(self.notice)]
    }

    fn decide(&self, seen: &Snapshot, _: &mut World<'_>) -> Result<Decision<()>, Fault> {
        let key = Key::Notice(self.notice);
        let changes = match seen.record(&key) {
            Some(Record::Notice(notice)) if !notice.delivered => {
                let mut notice = notice.clone();
                notice.delivered = true;
                alloc::vec![Change::Put(key, Record::Notice(notice))]
            }
            _ => Vec::new(),
        };
        Ok(Decision { outcome: (), changes })
    }
}

/// Seals an account's secrets anew under the current key.
#[derive(Clone, Debug)]
pub struct Reseal {
    /// The account.
    pub name: Name,
}

impl Rule for Reseal {
    /// How many secrets were sealed anew.
    type Outcome = usize;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone())]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<usize>, Fault> {
        let Some(mut account) = seen.account(&self.name).cloned() else {
            return Ok(Decision::unchanged(0));
        };
        let mut resealed = 0;
        for factor in &mut account.factors {
            let holder = Holder {
                account: &self.name,
                factor: &factor.id,
            };
            resealed += usize::from(factor.credential.provider_mut().reseal(holder, world)?);
        }
        let changes = if resealed > 0 {
            alloc::vec![put(account)]
        } else {
            Vec::new()
        };
        Ok(Decision {
            outcome: resealed,
            changes,
        })
    }
}
