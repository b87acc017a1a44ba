//! The one thread that decides: it takes waiting rules in order, commits them in groups, and only then
//! answers.
//!
//! Knows: load → decide → commit → reveal, and what to do when another node won. Must never know: what any
//! rule is about. Rules of one batch see each other's changes, so nothing is lost within a node; only another
//! node's commit makes a loser, which is decided again. What changes nothing is committed all the same when nothing
//! has shown lately that the store takes changes, so that whoever asks whether it does gets a true answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use countersign_auth::event::{Act, Door, Ending, Event, Origin};
use countersign_auth::policy::Policy;
use countersign_auth::record::Key;
use countersign_auth::rule::{Change, Entropy, Fault, Rule, World};
use countersign_auth::seal::{KeyRing, SealError};
use countersign_auth::snapshot::Snapshot;
use countersign_core::time::UnixSeconds;
use tokio::sync::oneshot;

use super::audit::{self, Head};
use super::clock::ClockDoubt;
use super::keys::Keys;
use super::pulse::Pulse;
use crate::store::{BATCH_MAX, Batch, Fate, NOTE_SEALING_KEY, Part, Store, StoreError};

/// Rules that may wait at once; beyond that the door says "busy".
const QUEUE_MAX: usize = 1024;
/// How often a rule is decided again after another node won. Of three nodes that all decide about one account one may
/// lose more often than not; among thousands of requests eight times in a row is no rarity, 32 times is.
const TRIES_MAX: usize = 32;
/// Seconds for which a commit shows that the store takes changes.
const SHOWN_S: u64 = 10;
/// Commits whose answers were lost that are looked up at once.
const LOST_MAX: usize = 16;
/// How often a rule may name further keys before it is taken to be broken.
const READ_ROUNDS_MAX: usize = 8;

/// Why a rule got no answer. None of these means "refused".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The store is out of reach, or did not say whether it committed.
    Store(StoreError),
    /// No decision about time can be made.
    Clock(ClockDoubt),
    /// A stored secret can't be opened.
    Fault(Fault),
    /// The key ring lacks this key, under which the newest secrets are sealed.
    Ring(String),
    /// More waits than can be served in time.
    Busy,
    /// The server is stopping.
    Stopping,
    /// A rule is broken.
    Internal,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Store(error) => error.fmt(f),
            Failure::Clock(doubt) => doubt.fmt(f),
            Failure::Fault(fault) => fault.fmt(f),
            Failure::Ring(id) => write!(
                f,
                "the key ring lacks the key {id}, under which the newest secrets are sealed; copy the newest ring here"
            ),
            Failure::Busy => f.write_str("more waits than can be served in time; try again soon"),
            Failure::Stopping => f.write_str("the server is stopping"),
            Failure::Internal => f.write_str("a rule is broken; the log says which"),
        }
    }
}

impl std::error::Error for Failure {}

/// What the committer works with.
pub struct Desk {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What stands in the way of deciding.
    pub pulse: Arc<Pulse>,
    /// The operator's numbers.
    pub policy: Arc<Policy>,
    /// The keys.
    pub keys: Arc<Keys>,
    /// Randomness.
    pub entropy: Box<dyn Entropy + Send>,
    /// This node's name, which is its audit chain's.
    pub node: String,
    /// Told every change that became durable, in order.
    pub committed: Box<dyn Fn(&Change) + Send>,
}

/// Where rules are handed in.
#[derive(Clone)]
pub struct Committer {
    queue: SyncSender<Box<dyn Job>>,
}

trait Job: Send {
    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key>;
    fn decide(&mut self, seen: &Snapshot, world: &mut World<'_>) -> Result<Vec<Change>, Fault>;
    fn reveal(self: Box<Self>, failure: Option<Failure>);
}

struct Waiting<R: Rule> {
    rule: R,
    outcome: Option<R::Outcome>,
    answer: oneshot::Sender<Result<R::Outcome, Failure>>,
}

impl<R> Job for Waiting<R>
where
    R: Rule + Send,
    R::Outcome: Send,
{
    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.rule.reads(seen, world)
    }

    fn decide(&mut self, seen: &Snapshot, world: &mut World<'_>) -> Result<Vec<Change>, Fault> {
        let decision = self.rule.decide(seen, world)?;
        self.outcome = Some(decision.outcome);
        Ok(decision.changes)
    }

    fn reveal(self: Box<Self>, failure: Option<Failure>) {
        let answer = match (failure, self.outcome) {
            (Some(failure), _) => Err(failure),
            (None, Some(outcome)) => Ok(outcome),
            (None, None) => Err(Failure::Internal),
        };
        // The asker may have hung up; the decision stands all the same.
        let _ = self.answer.send(answer);
    }
}

impl Committer {
    /// Starts the thread.
    ///
    /// # Errors
    /// That of the operating system when it gives no thread.
    pub fn start(desk: Desk) -> std::io::Result<(Committer, JoinHandle<()>)> {
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || Loop::new(desk).run(&waiting))?;
        Ok((Committer { queue }, thread))
    }

    /// Hands a rule in and waits for its outcome, which is durable when it arrives.
    ///
    /// # Errors
    /// [`Failure`]; never a refusal.
    pub async fn submit<R>(&self, rule: R) -> Result<R::Outcome, Failure>
    where
        R: Rule + Send + 'static,
        R::Outcome: Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let job = Box::new(Waiting {
            rule,
            outcome: None,
            answer,
        });
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Failure::Busy,
            TrySendError::Disconnected(_) => Failure::Stopping,
        })?;
        outcome.await.unwrap_or(Err(Failure::Stopping))
    }
}

/// Reads every key that a rule names, following what it learns, through `load`.
pub(super) fn read_closure(
    snapshot: &mut Snapshot,
    mut names: impl FnMut(&Snapshot) -> Vec<Key>,
    store: &dyn Store,
) -> Result<(), Failure> {
    for _ in 0..READ_ROUNDS_MAX {
        let mut missing = names(snapshot);
        missing.retain(|key| !snapshot.holds(key));
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let stored = store.load(&missing).map_err(Failure::Store)?;
        for (key, stored) in missing.into_iter().zip(stored) {
            snapshot.insert(key, stored);
        }
    }
    Err(Failure::Internal)
}

struct Loop {
    desk: Desk,
    /// End of this node's chain as last committed; none when it must be read again.
    head: Option<Head>,
    standing: Standing,
    lost: Vec<Lost>,
}

/// What the last commit showed of the store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unknown,
    /// It took changes at that time.
    Takes(UnixSeconds),
    /// It did not take them.
    Failed,
}

/// A commit whose answer was lost.
struct Lost {
    /// Where this node's chain ends if it stands. Whatever else comes to stand under that number, it does not.
    end: Head,
    /// What it changed.
    changes: Vec<Change>,
}

impl Loop {
    fn new(desk: Desk) -> Loop {
        Loop {
            desk,
            head: None,
            standing: Standing::Unknown,
            lost: Vec::new(),
        }
    }

    fn run(mut self, waiting: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = waiting.recv() {
            let mut jobs = vec![first];
            jobs.extend(waiting.try_iter().take(BATCH_MAX - 1));
            for _ in 0..TRIES_MAX {
                jobs = self.round(jobs);
                if jobs.is_empty() {
                    break;
                }
            }
            jobs.into_iter().for_each(|job| job.reveal(Some(Failure::Busy)));
        }
    }

    /// Decides and commits all jobs once; returns those that another node made losers.
    fn round(&mut self, mut jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let now = match self.desk.pulse.now() {
            Ok(now) => now,
            Err(failure) => return reveal_all(jobs, Some(&failure)),
        };
        self.learn_what_was_lost();
        let keys = self.desk.keys.ring();
        let policy = self.desk.policy.clone();
        let mut world = World {
            now,
            policy: &policy,
            keys: &keys,
            entropy: &mut *self.desk.entropy,
        };
        let mut snapshot = Snapshot::default();
        let store = &*self.desk.store;
        let every = |seen: &Snapshot, world: &World<'_>, jobs: &[Box<dyn Job>]| {
            jobs.iter().flat_map(|job| job.reads(seen, world)).collect()
        };
        if let Err(failure) = read_closure(&mut snapshot, |seen| every(seen, &world, &jobs), store) {
            return reveal_all(jobs, Some(&failure));
        }
        let mut decided: Vec<Box<dyn Job>> = Vec::with_capacity(jobs.len());
        let mut undecided = Vec::new();
        let mut parts = Vec::with_capacity(jobs.len());
        for mut job in jobs.drain(..) {
            match decide(&mut *job, &mut snapshot, &mut world, store) {
                Ok(part) => {
                    parts.push(part);
                    decided.push(job);
                }
                // Another node may have added the key just now.
                Err(Failure::Fault(Fault::Seal(SealError::UnknownKey)))
                    if self.desk.keys.read_anew(None) || !Arc::ptr_eq(&keys, &self.desk.keys.ring()) =>
                {
                    undecided.push(job);
                }
                Err(failure) => job.reveal(Some(failure)),
            }
        }
        let batch = Batch {
            parts,
            now,
            sealing_key: Some(keys.current().to_owned()),
        };
        if batch.parts.iter().all(|part| part.changes.is_empty()) {
            self.reveal_unchanged(decided, now, &keys);
            return undecided;
        }
        match self.commit(&batch, &keys) {
            Ok(fates) => {
                batch
                    .winning(&fates)
                    .for_each(|change| (self.desk.committed)(change));
                undecided.extend(settle(decided, &fates));
                if fates.iter().all(|fate| *fate == Fate::Lost) {
                    self.follow_the_newest_key(&keys);
                }
            }
            Err(error) => drop(reveal_all(decided, Some(&Failure::Store(error)))),
        }
        undecided
    }

    /// Answers those that changed nothing, once the store has shown that it takes changes.
    fn reveal_unchanged(&mut self, decided: Vec<Box<dyn Job>>, now: UnixSeconds, keys: &KeyRing) {
        let parts = match self.standing {
            Standing::Takes(at) if now.since(at) < SHOWN_S => {
                drop(reveal_all(decided, None));
                return;
            }
            // A full store may still take what changes nothing, so that it has to take something.
            Standing::Failed => vec![store_returned()],
            _ => Vec::new(),
        };
        let batch = Batch {
            parts,
            now,
            sealing_key: None,
        };
        let failure = self.commit(&batch, keys).err().map(Failure::Store);
        drop(reveal_all(decided, failure.as_ref()));
    }

    fn commit(&mut self, batch: &Batch, keys: &KeyRing) -> Result<Vec<Fate>, StoreError> {
        let before = match self.head {
            Some(head) => head,
            None => head_of(&*self.desk.store, &self.desk.node)?,
        };
        let (mut after, mut sent) = (before, Vec::new());
        let node = &self.desk.node;
        let fates = self.desk.store.commit(batch, &mut |fates| {
            (after, sent) = (before, fates.to_vec());
            audit::extend(&mut after, node, batch.now, &batch.events(fates), keys)
        });
        self.head = fates.is_ok().then_some(after);
        self.standing = match &fates {
            Ok(_) => Standing::Takes(batch.now),
            Err(error) => {
                tracing::error!(%error, "commit failed");
                Standing::Failed
            }
        };
        if let Err(StoreError::Unknown(_)) = &fates
            && after.number > before.number
        {
            let changes = batch.winning(&sent).cloned().collect();
            self.lost.push(Lost { end: after, changes });
            // Of many that follow one another, as while a network flaps, the oldest are left to a look at the audit.
            if self.lost.len() > LOST_MAX {
                self.lost.remove(0);
            }
        }
        fates
    }

    /// Reads the ring anew where decisions are lost because they were sealed under an older key.
    fn follow_the_newest_key(&self, keys: &KeyRing) {
        if let Ok(Some(newest)) = self.desk.store.note(NOTE_SEALING_KEY)
            && newest != keys.current()
        {
            self.desk.keys.read_anew(Some(&newest));
        }
    }

    /// Looks whether commits whose answers were lost stand, and if so tells what it changed: sessions that it ended
    /// must be closed here as well.
    fn learn_what_was_lost(&mut self) {
        let Loop { desk, lost, .. } = self;
        lost.retain(|lost| {
            let found = desk.store.audit(&desk.node, lost.end.number - 1, 1);
            let Some(entry) = found.unwrap_or_default().into_iter().next() else {
                return true;
            };
            let stands = entry.number == lost.end.number && entry.mac == lost.end.mac;
            tracing::warn!(
                stands,
                "what became of a commit whose answer was lost is known now"
            );
            if stands {
                lost.changes.iter().for_each(|change| (desk.committed)(change));
            }
            false
        });
    }
}

/// An entry that only a store that works again takes.
fn store_returned() -> Part {
    let origin = Origin {
        door: Door::Server,
        network: String::new(),
        browser: None,
        remember: false,
        agent: String::new(),
        request: String::new(),
        by: None,
    };
    Part {
        reads: Vec::new(),
        changes: vec![Change::Audit(Event::plain(
            Act::StoreReturn,
            Ending::Success,
            &origin,
        ))],
    }
}

/// The end of a node's chain as the store has it.
pub(super) fn head_of(store: &dyn Store, node: &str) -> Result<Head, StoreError> {
    let last = store.audit_heads()?.into_iter().find(|row| row.node == node);
    Ok(last.map_or(Head::START, |row| Head {
        number: row.number,
        mac: row.mac,
    }))
}

/// Decides one job on the snapshot as the earlier ones left it.
///
/// An earlier decision may have led this one to keys that were not read yet, so its reads are closed once
/// more.
fn decide(
    job: &mut dyn Job,
    snapshot: &mut Snapshot,
    world: &mut World<'_>,
    store: &dyn Store,
) -> Result<Part, Failure> {
    read_closure(snapshot, |seen| job.reads(seen, world), store)?;
    let reads = job.reads(snapshot, world);
    let decided = catch_unwind(AssertUnwindSafe(|| job.decide(snapshot, world)));
    let changes = match decided {
        Ok(Ok(changes)) => changes,
        Ok(Err(fault)) => {
            tracing::error!(%fault, "a decision could not be made");
            return Err(Failure::Fault(fault));
        }
        Err(_) => {
            tracing::error!("a rule panicked; its change was dropped");
            return Err(Failure::Internal);
        }
    };
    let version = |key: Key| {
        let version = snapshot.stored(&key).map_or(0, |stored| stored.version);
        (key, version)
    };
    let written = changes.iter().filter_map(|change| match change {
        Change::Put(key, _) | Change::Delete(key) => Some(key.clone()),
        Change::Audit(_) => None,
    });
    let reads = reads
        .into_iter()
        .chain(written.filter(|key| snapshot.holds(key)))
        .map(version)
        .collect();
    snapshot.apply(&changes);
    Ok(Part { reads, changes })
}

fn settle(decided: Vec<Box<dyn Job>>, fates: &[Fate]) -> Vec<Box<dyn Job>> {
    let mut lost = Vec::new();
    for (job, fate) in decided.into_iter().zip(fates) {
        match fate {
            Fate::Committed => job.reveal(None),
            Fate::Lost => lost.push(job),
        }
    }
    lost
}

fn reveal_all(jobs: Vec<Box<dyn Job>>, failure: Option<&Failure>) -> Vec<Box<dyn Job>> {
    jobs.into_iter().for_each(|job| job.reveal(failure.cloned()));
    Vec::new()
}
