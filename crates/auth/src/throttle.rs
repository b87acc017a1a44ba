//! Guesses are finite: which budgets an attempt touches, and the fixed table they are counted in.
//!
//! Knows: subjects, sources and classes of credential. Must never know: whether a guess was right; a rule
//! asks for room first and charges afterwards. Known and unknown names take the same path through the same
//! table, keyed by a keyed hash, so that neither texts nor work tell them apart. Read next:
//! `countersign_core::limit` for the arithmetic of one budget.
//!
//! The table has [`BUCKETS`] buckets of [`WAYS`] entries. A bucket evicts the entry untouched for longest,
//! but never one that is locked now, nor the lifetime count of a real account: where nothing can be evicted,
//! the newcomer is refused.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use countersign_core::limit::{Budget, Room};
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::policy::{Budgets, Policy};
use crate::record::{Bucket, Key, Record};
use crate::rule::{Change, World};
use crate::seal::KeyRing;
use crate::snapshot::Snapshot;

mod tally;

pub use tally::{Fullness, State, Table, Tally, bucket_of_source, forget_source};

/// Number of buckets of the table.
pub const BUCKETS: u16 = 4096;
/// Number of entries that strangers can occupy in one bucket.
pub const WAYS: usize = 16;
/// Longest lock in seconds that a policy may have; one that ends later is dated by a clock that was ahead.
pub const LOCKOUT_S_MAX: u64 = 86_400;
/// Seconds told to a caller whose wait has no known end.
pub const RETRY_AFTER_S: u32 = 300;

/// What kind of credential a guess is aimed at. Each is counted apart, so that one reopens what another
/// closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A password.
    Password,
    /// A one-time code.
    Otp,
    /// A backup code.
    Backup,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 3] = [Class::Password, Class::Otp, Class::Backup];

    fn strangers(self, budgets: &Budgets) -> Budget {
        match self {
            Class::Password => budgets.strangers_password,
            Class::Otp | Class::Backup => budgets.strangers_code,
        }
    }
}

/// Where an attempt comes from, as far as the throttle cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// Anybody: an IPv4 address or an IPv6 /64, as text.
    Stranger(&'a str),
    /// Somebody who shows what a stranger can't copy, by its stable text.
    Known(&'a str),
}

impl Source<'_> {
    fn parts(&self) -> [&[u8]; 2] {
        match self {
            Source::Stranger(text) => [b"stranger", text.as_bytes()],
            Source::Known(text) => [b"known", text.as_bytes()],
        }
    }
}

/// One counted thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Keyed hash of what is counted; nothing in the table names anybody.
    pub tag: u64,
    /// When it was last charged.
    pub touched: UnixSeconds,
    /// What is counted.
    pub count: Count,
}

/// The two ways of counting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Times of recent failures under a [`Budget`].
    Recent {
        /// When the present lock ends, or 0; kept so that eviction need not know the budget.
        locked_until: UnixSeconds,
        /// The failures that still count.
        failures: Vec<UnixSeconds>,
    },
    /// Failures since the last complete sign-in.
    Lifetime {
        /// Those from strangers.
        strangers: u32,
        /// All of them.
        all: u32,
        /// Whether the account exists; such a count is never evicted.
        enrolled: bool,
    },
}

/// The throttle as one attempt sees it: the buckets it touches, loaded, and changed by charging.
#[derive(Debug)]
pub struct Gate<'a> {
    slots: Slots,
    enrolled: bool,
    source: Source<'a>,
    buckets: BTreeMap<u16, Bucket>,
    changed: BTreeSet<u16>,
}

/// Which entry is meant.
#[derive(Clone, Copy)]
enum Scope {
    Pair,
    Strangers(Class),
    Source,
    Lifetime(Class),
    /// Requests for something to be sent: of one known browser, of a name, of a strange source.
    PairRequests,
    NameRequests(Sent),
    SourceRequests,
}

/// What is sent at somebody's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Mail about a recovery, which anybody may wish for who knows a name.
    Recovery,
    /// A code by text message, which takes a password first: strangers without one never use up its budget.
    Text,
}

impl Sent {
    const ALL: [Sent; 2] = [Sent::Recovery, Sent::Text];
}

/// Where an entry lives.
#[derive(Clone, Copy, Debug)]
struct Slot {
    bucket: u16,
    tag: u64,
}

/// What charging a failure led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Charged {
    /// Counted; nothing else changes.
    Counted,
    /// Counted, and this failure closed the credential to strangers or altogether until its owner signs in.
    ClosedCredential,
}

/// Where everything lives that attempts on one name from one source can touch.
///
/// What is counted of a name over all sources stands in one bucket under tags that differ by a number, so
/// that an attempt touches three buckets and costs three keyed hashes.
#[derive(Clone, Copy, Debug)]
struct Slots {
    name: Slot,
    pair: Slot,
    source: Slot,
}

impl Slots {
    fn new(name: &Name, source: Source<'_>, keys: &KeyRing) -> Slots {
        let name = name.as_str().as_bytes();
        let [kind, origin] = source.parts();
        Slots {
            name: Slot::of(keys.index("throttle name", &[name])),
            pair: Slot::of(keys.index("throttle pair", &[name, kind, origin])),
            source: Slot::of(keys.index("throttle source", &[kind, origin])),
        }
    }

    fn of(&self, scope: Scope) -> Slot {
        let numbered = |number: u64| Slot {
            tag: self.name.tag ^ number,
            ..self.name
        };
        match scope {
            Scope::Pair => self.pair,
            Scope::Source => self.source,
            Scope::PairRequests => self.pair.beside(),
            Scope::SourceRequests => self.source.beside(),
            Scope::NameRequests(Sent::Recovery) => numbered(7),
            Scope::NameRequests(Sent::Text) => numbered(8),
            Scope::Strangers(Class::Password) => numbered(1),
            Scope::Strangers(Class::Otp) => numbered(2),
            Scope::Strangers(Class::Backup) => numbered(3),
            Scope::Lifetime(Class::Password) => numbered(4),
            Scope::Lifetime(Class::Otp) => numbered(5),
            Scope::Lifetime(Class::Backup) => numbered(6),
        }
    }
}

impl Slot {
    /// Where else something is counted of the same.
    fn beside(self) -> Slot {
        Slot {
            tag: self.tag ^ 1,
            ..self
        }
    }

    fn of(hash: [u8; 32]) -> Slot {
        let [a, b, tag @ .., _, _] = hash.first_chunk::<12>().copied().unwrap_or_default();
        Slot {
            bucket: u16::from_be_bytes([a, b]) % BUCKETS,
            tag: u64::from_be_bytes(tag),
        }
    }
}

/// The keys of all buckets that attempts on this name from this source can touch.
pub fn reads(name: &Name, source: Source<'_>, keys: &KeyRing) -> Vec<Key> {
    let slots = Slots::new(name, source, keys);
    [slots.name, slots.pair, slots.source]
        .iter()
        .map(|slot| Key::Bucket(slot.bucket))
        .collect()
}

impl<'a> Gate<'a> {
    /// Opens the gate over the buckets that [`reads`] named.
    pub fn new(name: &Name, enrolled: bool, source: Source<'a>, seen: &Snapshot, keys: &KeyRing) -> Gate<'a> {
        let slots = Slots::new(name, source, keys);
        let touched = [slots.name.bucket, slots.pair.bucket, slots.source.bucket];
        let buckets = touched
            .into_iter()
            .map(|number| (number, seen.bucket(number)))
            .collect();
        Gate {
            slots,
            enrolled,
            source,
            buckets,
            changed: BTreeSet::new(),
        }
    }

    /// Whether an attempt on this class may be evaluated: only if every budget it touches has room.
    pub fn room(&self, class: Class, world: &World<'_>) -> Room {
        let budgets = &world.policy.budgets;
        let recent = self.recent(self.budgets(class, budgets), world);
        let lifetime_slot = self.slots.of(Scope::Lifetime(class));
        let lifetime = match self.entry(lifetime_slot) {
            Some(Entry {
                count: Count::Lifetime { strangers, all, .. },
                ..
            }) => self.lifetime(*strangers, *all, budgets),
            Some(_) => Room::Open,
            None => self.admission(lifetime_slot, self.enrolled, world.now),
        };
        recent.and(lifetime)
    }

    /// Whether something may be sent to the account's owner at this source's wish.
    pub fn request_room(&self, sent: Sent, world: &World<'_>) -> Room {
        self.recent(self.requests(sent, world.policy), world)
    }

    /// Counts one such wish, whether or not there is anybody to send to.
    pub fn request(&mut self, sent: Sent, world: &World<'_>) {
        for (scope, budget) in self.requests(sent, world.policy) {
            self.count(scope, budget, world.now);
        }
    }

    fn requests(&self, sent: Sent, policy: &Policy) -> Vec<(Scope, Budget)> {
        let recovery = &policy.recovery;
        if self.is_strange() {
            alloc::vec![
                (Scope::NameRequests(sent), recovery.name),
                (Scope::SourceRequests, recovery.source)
            ]
        } else {
            alloc::vec![(Scope::PairRequests, recovery.name)]
        }
    }

    fn recent(&self, touched: Vec<(Scope, Budget)>, world: &World<'_>) -> Room {
        let room = |(scope, budget): (Scope, Budget)| {
            let slot = self.slots.of(scope);
            match self.entry(slot) {
                Some(Entry {
                    count: Count::Recent { failures, .. },
                    ..
                }) => budget.room(failures, world.now),
                Some(_) => Room::Open,
                None => self.admission(slot, !self.is_strange(), world.now),
            }
        };
        touched.into_iter().map(room).fold(Room::Open, Room::and)
    }

    /// Counts one evaluated failure against every budget the attempt touched.
    pub fn charge(&mut self, class: Class, world: &World<'_>) -> Charged {
        let (now, budgets) = (world.now, &world.policy.budgets);
        for (scope, budget) in self.budgets(class, budgets) {
            self.count(scope, budget, now);
        }
        let (enrolled, strange) = (self.enrolled, self.is_strange());
        let slot = self.slots.of(Scope::Lifetime(class));
        let fresh = || Count::Lifetime {
            strangers: 0,
            all: 0,
            enrolled,
        };
        match &mut self.entry_mut(slot, now, fresh).count {
            Count::Lifetime {
                strangers,
                all,
                enrolled: known,
            } => {
                *known |= enrolled;
                *strangers += u32::from(strange);
                *all += 1;
                let closes =
                    (strange && *strangers == budgets.lifetime_strangers) || *all == budgets.lifetime_all;
                if closes {
                    Charged::ClosedCredential
                } else {
                    Charged::Counted
                }
            }
            Count::Recent { .. } => Charged::Counted,
        }
    }

    fn count(&mut self, scope: Scope, budget: Budget, now: UnixSeconds) {
        let slot = self.slots.of(scope);
        let entry = self.entry_mut(slot, now, || Count::Recent {
            locked_until: UnixSeconds(0),
            failures: Vec::new(),
        });
        if let Count::Recent {
            locked_until,
            failures,
        } = &mut entry.count
        {
            failures.drain(..budget.forgotten(failures, now));
            failures.push(now);
            if let Room::Closed { retry_after_s } = budget.room(failures, now) {
                *locked_until = now.plus(u64::from(retry_after_s));
            }
        }
    }

    /// Failures counted against the account since its last complete sign-in, over all classes.
    pub fn lifetime_failures(&self) -> u32 {
        let all = |class| match self.entry(self.slots.of(Scope::Lifetime(class))) {
            Some(Entry {
                count: Count::Lifetime { all, .. },
                ..
            }) => *all,
            _ => 0,
        };
        Class::ALL.into_iter().map(all).sum()
    }

    /// Forgets what was counted against the account: what a complete sign-in, or an operator, does. The total
    /// of the source over all names stays: an attacker with an account of his own must not clear it.
    pub fn clear(&mut self) {
        let classes = Class::ALL
            .iter()
            .flat_map(|class| [Scope::Strangers(*class), Scope::Lifetime(*class)]);
        let others = [Scope::Pair, Scope::PairRequests];
        let requests = Sent::ALL.map(Scope::NameRequests);
        for scope in others.into_iter().chain(requests).chain(classes) {
            let Slot { bucket, tag } = self.slots.of(scope);
            if let Some(held) = self.buckets.get_mut(&bucket) {
                let before = held.entries.len();
                held.entries.retain(|entry| entry.tag != tag);
                if held.entries.len() != before {
                    self.changed.insert(bucket);
                }
            }
        }
    }

    /// The buckets that charging or clearing changed.
    pub fn changes(self) -> impl Iterator<Item = Change> {
        let Gate {
            mut buckets, changed, ..
        } = self;
        changed.into_iter().filter_map(move |number| {
            let bucket = buckets.remove(&number)?;
            Some(Change::Put(Key::Bucket(number), Record::Bucket(bucket)))
        })
    }

    fn is_strange(&self) -> bool {
        matches!(self.source, Source::Stranger(_))
    }

    fn budgets(&self, class: Class, budgets: &Budgets) -> Vec<(Scope, Budget)> {
        let mut touched = alloc::vec![(Scope::Pair, budgets.pair)];
        if let Source::Stranger(source) = self.source {
            touched.push((Scope::Strangers(class), class.strangers(budgets)));
            touched.push((Scope::Source, budgets.source(source)));
        }
        touched
    }

    fn lifetime(&self, strangers: u32, all: u32, budgets: &Budgets) -> Room {
        let closed =
            all >= budgets.lifetime_all || (self.is_strange() && strangers >= budgets.lifetime_strangers);
        if closed {
            Room::Closed {
                retry_after_s: RETRY_AFTER_S,
            }
        } else {
            Room::Open
        }
    }

    fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.buckets
            .get(&slot.bucket)?
            .entries
            .iter()
            .find(|entry| entry.tag == slot.tag)
    }

    /// Whether the bucket could take one entry more. The lifetime count of an account and the entries of
    /// known sources always find a place: how many there can be is bounded by the accounts.
    fn admission(&self, slot: Slot, bounded: bool, now: UnixSeconds) -> Room {
        let full = self.buckets.get(&slot.bucket).is_some_and(|bucket| {
            bucket.entries.len() >= WAYS && bucket.entries.iter().all(|entry| !entry.is_evictable(now))
        });
        if full && !bounded {
            Room::Closed {
                retry_after_s: RETRY_AFTER_S,
            }
        } else {
            Room::Open
        }
    }

    fn entry_mut(&mut self, slot: Slot, now: UnixSeconds, fresh: impl FnOnce() -> Count) -> &mut Entry {
        self.changed.insert(slot.bucket);
        let bucket = self.buckets.entry(slot.bucket).or_default();
        let at = match bucket.entries.iter().position(|entry| entry.tag == slot.tag) {
            Some(at) => at,
            None => {
                bucket.make_room(now);
                bucket.entries.push(Entry {
                    tag: slot.tag,
                    touched: now,
                    count: fresh(),
                });
                bucket.entries.len() - 1
            }
        };
        let entry = &mut bucket.entries[at];
        entry.touched = now;
        entry
    }
}

impl Entry {
    fn is_evictable(&self, now: UnixSeconds) -> bool {
        match &self.count {
            Count::Recent { locked_until, .. } => {
                *locked_until <= now || locked_until.since(now) > LOCKOUT_S_MAX
            }
            Count::Lifetime { enrolled, .. } => !enrolled,
        }
    }
}

impl Bucket {
    /// Evicts until one more entry fits, the one untouched for longest first.
    fn make_room(&mut self, now: UnixSeconds) {
        while self.entries.len() >= WAYS {
            let oldest = self
                .entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| entry.is_evictable(now));
            let Some((at, _)) = oldest.min_by_key(|(_, entry)| entry.touched) else {
                return;
            };
            self.entries.swap_remove(at);
        }
    }
}

/// The policy's budgets must be able to close before they are forgotten; settings are checked with this.
pub fn are_consistent(policy: &Policy) -> bool {
    let budgets = &policy.budgets;
    [
        budgets.pair,
        budgets.strangers_password,
        budgets.strangers_code,
        budgets.source,
    ]
    .iter()
    .all(|budget| {
        budget.failures_max >= 1
            && budget.lockout_s >= 1
            && budget.window_s >= 1
            && budget.lockout_s >= budget.window_s
    }) && budgets.lifetime_strangers <= budgets.lifetime_all
        && budgets.lifetime_all <= 100
}
