//! What a rule sees: the records it asked for, each with the version under which it was stored.
//!
//! Knows: which keys were read and what stood there. Must never know: where they came from.

use alloc::collections::BTreeMap;

use crate::id::Digest;
use crate::name::Name;
use crate::record::{
    Account, ApiToken, Approval, Bucket, Challenge, Key, NumberRequest, Record, Recovery, Session, Ticket,
};
use crate::rule::Change;

/// The version of a record; 0 stands for "never stored or deleted". A store never gives one version out
/// twice.
pub type Version = u64;

/// One key's record as it was read, or its absence.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The version that a commit must still find.
    pub version: Version,
    /// The record, if there is one.
    pub record: Option<Record>,
}

impl Stored {
    /// Nothing stands under the key.
    pub const ABSENT: Stored = Stored {
        version: 0,
        record: None,
    };
}

/// The records a rule has asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    read: BTreeMap<Key, Stored>,
}

impl Snapshot {
    /// Adds what was read under a key.
    pub fn insert(&mut self, key: Key, stored: Stored) {
        self.read.insert(key, stored);
    }

    /// Whether the key has been read, found or not.
    pub fn holds(&self, key: &Key) -> bool {
        self.read.contains_key(key)
    }

    /// Every key that was read, with its version.
    pub fn versions(&self) -> impl Iterator<Item = (&Key, Version)> {
        self.read.iter().map(|(key, stored)| (key, stored.version))
    }

    /// The stored form of a key that was read.
    pub fn stored(&self, key: &Key) -> Option<&Stored> {
        self.read.get(key)
    }

    /// Makes later rules of the same batch see what an earlier one decided. Versions stay those that were
    /// read.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let (key, record) = match change {
                Change::Put(key, record) => (key, Some(record.clone())),
                Change::Delete(key) => (key, None),
                Change::Audit(_) => continue,
            };
            self.read.entry(key.clone()).or_insert(Stored::ABSENT).record = record;
        }
    }

    /// The record under a key.
    ///
    /// # Panics
    /// When the rule did not declare the key among its reads: taking "not read" for "absent" would be a
    /// security bug.
    pub fn record(&self, key: &Key) -> Option<&Record> {
        self.read
            .get(key)
            .unwrap_or_else(|| panic!("a rule read {key:?}, which it did not declare"))
            .record
            .as_ref()
    }

    /// The account of that name.
    pub fn account(&self, name: &Name) -> Option<&Account> {
        match self.record(&Key::Account(name.clone())) {
            Some(Record::Account(account)) => Some(account),
            _ => None,
        }
    }

    /// The challenge of that digest.
    pub fn challenge(&self, id: Digest) -> Option<&Challenge> {
        match self.record(&Key::Challenge(id)) {
            Some(Record::Challenge(challenge)) => Some(challenge),
            _ => None,
        }
    }

    /// The session of that digest.
    pub fn session(&self, id: Digest) -> Option<&Session> {
        match self.record(&Key::Session(id)) {
            Some(Record::Session(session)) => Some(session),
            _ => None,
        }
    }

    /// The ticket of that digest.
    pub fn ticket(&self, id: Digest) -> Option<&Ticket> {
        match self.record(&Key::Ticket(id)) {
            Some(Record::Ticket(ticket)) => Some(ticket),
            _ => None,
        }
    }

    /// The recovery of that digest.
    pub fn recovery(&self, id: Digest) -> Option<&Recovery> {
        match self.record(&Key::Recovery(id)) {
            Some(Record::Recovery(recovery)) => Some(recovery),
            _ => None,
        }
    }

    /// The approval of that identifier.
    pub fn approval(&self, id: Digest) -> Option<&Approval> {
        match self.record(&Key::Approval(id)) {
            Some(Record::Approval(approval)) => Some(approval),
            _ => None,
        }
    }

    /// The wish to be stepped up by a number, of that digest.
    pub fn number_request(&self, id: Digest) -> Option<&NumberRequest> {
        match self.record(&Key::NumberRequest(id)) {
            Some(Record::NumberRequest(request)) => Some(request),
            _ => None,
        }
    }

    /// The token for programs of that digest.
    pub fn api_token(&self, id: Digest) -> Option<&ApiToken> {
        match self.record(&Key::ApiToken(id)) {
            Some(Record::ApiToken(token)) => Some(token),
            _ => None,
        }
    }

    /// The account a known browser belongs to, if the cookie's digest has a live record.
    pub fn browser_owner(&self, id: Digest) -> Option<&Name> {
        match self.record(&Key::Browser(id)) {
            Some(Record::Browser(browser)) => Some(&browser.account),
            _ => None,
        }
    }

    /// The throttle's bucket of that number; an absent one is empty.
    pub fn bucket(&self, number: u16) -> Bucket {
        match self.record(&Key::Bucket(number)) {
            Some(Record::Bucket(bucket)) => bucket.clone(),
            _ => Bucket::default(),
        }
    }
}
