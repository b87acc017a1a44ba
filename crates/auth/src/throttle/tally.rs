//! What is counted now, as whoever runs the installation sees and lifts it.
//!
//! Knows: which entries of the table are an account's own, and which a source's. Must never know: who looks. What
//! one account and one source have together can't be found without naming both; it lapses within minutes.

use alloc::collections::BTreeMap;

use countersign_core::limit::Room;
use countersign_core::time::UnixSeconds;

use super::{BUCKETS, Class, Count, Entry, Scope, Slot, Slots, Source, WAYS};
use crate::name::Name;
use crate::policy::Budgets;
use crate::record::{Bucket, Key, Record};
use crate::rule::Change;
use crate::seal::KeyRing;
use crate::snapshot::Snapshot;

/// Every bucket of the table in which anything is counted, by its number.
#[derive(Clone, Debug, Default)]
pub struct Table(BTreeMap<u16, Bucket>);

/// What is counted of one class of credential against an account, over all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The class.
    pub class: Class,
    /// Failures of strangers that still count towards locking them out for a while.
    pub strangers: u32,
    /// How many lock them out.
    pub strangers_max: u32,
    /// Failures of strangers since the account's last complete sign-in.
    pub since_sign_in_strangers: u32,
    /// All failures since then.
    pub since_sign_in: u32,
    /// What follows from that.
    pub state: State,
}

/// Whether a class of an account's credentials is open, and to whom; the more closed, the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Less than half of every budget is used.
    Open,
    /// Half of a budget is used, or more.
    NearlyClosed,
    /// Strangers are locked out until then.
    Locked(UnixSeconds),
    /// Strangers are kept out until its owner signs in.
    ClosedToStrangers,
    /// Nobody is let in by it until its owner signs in by something else.
    Closed,
}

/// How full the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fullness {
    /// Entries that there are.
    pub entries: usize,
    /// Entries for which there is room.
    pub entries_max: usize,
    /// Buckets in which nothing may be forgotten now, so that what falls into them and is not counted yet is refused.
    pub buckets_full: usize,
}

impl Table {
    /// Puts a bucket into its place.
    pub fn insert(&mut self, number: u16, bucket: Bucket) {
        self.0.insert(number, bucket);
    }

    /// How full it is.
    pub fn fullness(&self, now: UnixSeconds) -> Fullness {
        let is_full = |bucket: &&Bucket| {
            bucket.entries.len() >= WAYS && bucket.entries.iter().all(|entry| !entry.is_evictable(now))
        };
        Fullness {
            entries: self.0.values().map(|bucket| bucket.entries.len()).sum(),
            entries_max: usize::from(BUCKETS) * WAYS,
            buckets_full: self.0.values().filter(is_full).count(),
        }
    }

    /// What is counted against an account, for every class.
    pub fn of_account(&self, name: &Name, budgets: &Budgets, now: UnixSeconds, keys: &KeyRing) -> [Tally; 3] {
        let slots = Slots::new(name, Source::Stranger(""), keys);
        Class::ALL.map(|class| self.tally(&slots, class, budgets, now))
    }

    fn tally(&self, slots: &Slots, class: Class, budgets: &Budgets, now: UnixSeconds) -> Tally {
        let budget = class.strangers(budgets);
        let (mut strangers, mut room) = (0, Room::Open);
        if let Some(Count::Recent { failures, .. }) = self.count(slots.of(Scope::Strangers(class))) {
            strangers = count(failures.len() - budget.forgotten(failures, now));
            room = budget.room(failures, now);
        }
        let (of_strangers, of_all) = match self.count(slots.of(Scope::Lifetime(class))) {
            Some(Count::Lifetime { strangers, all, .. }) => (*strangers, *all),
            _ => (0, 0),
        };
        let strangers_max = u32::from(budget.failures_max);
        let is_half = |used: u32, most: u32| used.saturating_mul(2) >= most;
        let state = match room {
            _ if of_all >= budgets.lifetime_all => State::Closed,
            _ if of_strangers >= budgets.lifetime_strangers => State::ClosedToStrangers,
            Room::Closed { retry_after_s } => State::Locked(now.plus(u64::from(retry_after_s))),
            Room::Open if is_half(strangers, strangers_max) => State::NearlyClosed,
            Room::Open if is_half(of_strangers, budgets.lifetime_strangers) => State::NearlyClosed,
            Room::Open if is_half(of_all, budgets.lifetime_all) => State::NearlyClosed,
            Room::Open => State::Open,
        };
        Tally {
            class,
            strangers,
            strangers_max,
            since_sign_in_strangers: of_strangers,
            since_sign_in: of_all,
            state,
        }
    }

    fn count(&self, slot: Slot) -> Option<&Count> {
        let entries = &self.0.get(&slot.bucket)?.entries;
        entries
            .iter()
            .find(|entry| entry.tag == slot.tag)
            .map(|entry| &entry.count)
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The bucket in which everything is counted that is held against a strange source over all names.
pub fn bucket_of_source(network: &str, keys: &KeyRing) -> Key {
    Key::Bucket(source_slot(network, keys).bucket)
}

/// Forgets what is held against a strange source over all names; nothing where nothing is.
pub fn forget_source(network: &str, seen: &Snapshot, keys: &KeyRing) -> Option<Change> {
    let slot = source_slot(network, keys);
    let mut bucket = seen.bucket(slot.bucket);
    let before = bucket.entries.len();
    let is_kept = |entry: &Entry| entry.tag != slot.tag && entry.tag != slot.beside().tag;
    bucket.entries.retain(is_kept);
    let is_changed = bucket.entries.len() != before;
    is_changed.then_some(Change::Put(Key::Bucket(slot.bucket), Record::Bucket(bucket)))
}

fn source_slot(network: &str, keys: &KeyRing) -> Slot {
    let source = Source::Stranger(network);
    let [kind, origin] = source.parts();
    Slot::of(keys.index("throttle source", &[kind, origin]))
}
