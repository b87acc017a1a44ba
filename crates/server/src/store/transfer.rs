//! Moving an installation from one store to another: every record, every chain of the audit, and what is noted.
//!
//! Knows: pages, and that it may have been interrupted. Must never know: any one database.
//!
//! What the target has already is compared and not written again, so an interrupted copy is finished by copying once
//! more. Until it is whole it says so, and no node serves it.

use std::fmt;

use countersign_auth::record::{Key, Record};
use countersign_auth::rule::Change;
use countersign_core::time::UnixSeconds;

use super::codec::Kind;
use super::{
    AuditRow, Batch, Fate, NOTE_COPY, NOTE_HIGH_WATER, NOTE_RING, NOTE_SEALING_KEY, Part, Store, StoreError,
};

/// Rows read and written at once.
const PAGE: usize = 500;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Records of every kind.
    pub records: u64,
    /// Entries of every chain of the audit.
    pub entries: u64,
}

/// Why a store is no copy of another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// One of the two can't be used.
    Store(StoreError),
    /// There is nothing to copy.
    Empty,
    /// The target holds an installation.
    Taken,
    /// The source itself is an unfinished copy.
    Unfinished,
    /// What the target holds of this is not what the source holds.
    Differs(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Store(error) => error.fmt(f),
            Trouble::Empty => f.write_str("the source holds no installation"),
            Trouble::Taken => {
                f.write_str("the target holds an installation; only into an empty one is copied")
            }
            Trouble::Unfinished => f.write_str("the source is an unfinished copy; finish that first"),
            Trouble::Differs(what) => write!(
                f,
                "the target's {what} differ from the source's, which was changed since the copy began; empty the \
                 target and copy again"
            ),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Store(error)
    }
}

/// Whether a store is a copy that was never finished.
///
/// # Errors
/// [`StoreError`].
pub fn is_unfinished(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.note(NOTE_COPY)?.as_deref() == Some(UNFINISHED))
}

const UNFINISHED: &str = "unfinished";
const FINISHED: &str = "finished";

/// Copies one store into another, sees that nothing is missing and nothing differs, and says how much there is. `step`
/// is told how many rows of how many are done. Nobody may write to either meanwhile, and the copy is not served before
/// it is [finished](finish).
///
/// # Errors
/// [`Trouble`]; what was copied so far stays.
pub fn copy(from: &dyn Store, to: &dyn Store, step: &mut dyn FnMut(u64, u64)) -> Result<Copied, Trouble> {
    let ring = from.note(NOTE_RING)?.ok_or(Trouble::Empty)?;
    if is_unfinished(from)? {
        return Err(Trouble::Unfinished);
    }
    let is_begun = is_unfinished(to)?;
    let is_taken = || Ok::<_, StoreError>(to.note(NOTE_RING)?.is_some() || count(to)? != Copied::default());
    if !is_begun && is_taken()? {
        return Err(Trouble::Taken);
    }
    // Everything that is read of the source is read before the target is looked through, which may take long.
    let (high_water, sealing_key) = (from.note(NOTE_HIGH_WATER)?, from.note(NOTE_SEALING_KEY)?);
    let now = high_water
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let expected = count(from)?;
    let total = expected.records + expected.entries;
    let mut done = 0;
    let mut stepped = |rows: usize| {
        done += rows as u64;
        step(done, total);
    };
    to.set_note(NOTE_COPY, UNFINISHED)?;
    if to.claim_note(NOTE_RING, &ring)? != ring {
        return Err(Trouble::Taken);
    }
    for kind in Kind::ALL {
        each_page(from, kind, |page| {
            stepped(page.len());
            put(to, page, UnixSeconds(now))
        })?;
    }
    for head in from.audit_heads()? {
        each_entries(from, &head.node, |page| {
            stepped(page.len());
            append(to, page, UnixSeconds(now))
        })?;
    }
    if count(to)? != expected {
        return Err(Trouble::Differs("numbers of records".into()));
    }
    for (name, value) in [(NOTE_HIGH_WATER, high_water), (NOTE_SEALING_KEY, sealing_key)] {
        if let Some(value) = value {
            to.set_note(name, &value)?;
        }
    }
    Ok(expected)
}

/// Says of a copy that it is whole: from now on it may be served.
///
/// # Errors
/// [`StoreError`].
pub fn finish(to: &dyn Store) -> Result<(), StoreError> {
    to.set_note(NOTE_COPY, FINISHED)
}

fn each_page<E: From<StoreError>>(
    store: &dyn Store,
    kind: Kind,
    mut take: impl FnMut(Vec<(Key, Record)>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let page = store.list(kind, after.as_deref(), PAGE)?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(key, _)| super::codec::spelt(key).1);
        take(page)?;
        if is_last {
            return Ok(());
        }
    }
}

fn each_entries<E: From<StoreError>>(
    store: &dyn Store,
    node: &str,
    mut take: impl FnMut(Vec<AuditRow>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = 0;
    loop {
        let page = store.audit(node, after, PAGE)?;
        let is_last = page.len() < PAGE;
        after = page.last().map_or(after, |row| row.number);
        take(page)?;
        if is_last {
            return Ok(());
        }
    }
}

fn count(store: &dyn Store) -> Result<Copied, StoreError> {
    let mut copied = Copied::default();
    for kind in Kind::ALL {
        each_page(store, kind, |page| {
            copied.records += page.len() as u64;
            Ok::<_, StoreError>(())
        })?;
    }
    for head in store.audit_heads()? {
        each_entries(store, &head.node, |page| {
            copied.entries += page.len() as u64;
            Ok::<_, StoreError>(())
        })?;
    }
    Ok(copied)
}

/// Writes those records of a page that are not there, reads all of them back and compares.
fn put(to: &dyn Store, page: Vec<(Key, Record)>, now: UnixSeconds) -> Result<(), Trouble> {
    if page.is_empty() {
        return Ok(());
    }
    let keys: Vec<Key> = page.iter().map(|(key, _)| key.clone()).collect();
    let found = to.load(&keys)?;
    let missing = page
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.record.is_none())
        .map(|(row, _)| row);
    let part = Part {
        reads: missing.clone().map(|(key, _)| (key.clone(), 0)).collect(),
        changes: missing
            .map(|(key, record)| Change::Put(key.clone(), record.clone()))
            .collect(),
    };
    if !part.changes.is_empty() {
        let parts = vec![part];
        let batch = Batch {
            parts,
            now,
            sealing_key: None,
        };
        let fates = to.commit(&batch, &mut |_| Vec::new())?;
        if fates != [Fate::Committed] {
            return Err(Trouble::Taken);
        }
    }
    let stored = to.load(&keys)?;
    let is_equal = page
        .iter()
        .zip(&stored)
        .all(|((_, record), stored)| stored.record.as_ref() == Some(record));
    if is_equal {
        Ok(())
    } else {
        Err(Trouble::Differs("records".into()))
    }
}

/// Appends those entries of a page that are not there, reads all of them back and compares.
fn append(to: &dyn Store, page: Vec<AuditRow>, now: UnixSeconds) -> Result<(), Trouble> {
    let (Some(first), Some(last)) = (page.first(), page.last()) else {
        return Ok(());
    };
    let (node, before) = (first.node.clone(), first.number - 1);
    let there = to.audit(&node, before, PAGE)?.len();
    if there < page.len() {
        let missing = page[there..].to_vec();
        let parts = Vec::new();
        let batch = Batch {
            parts,
            now,
            sealing_key: None,
        };
        let _: Vec<Fate> = to.commit(&batch, &mut |_| missing.clone())?;
    }
    let mut stored = to.audit(&node, before, PAGE)?;
    stored.retain(|row| row.number <= last.number);
    if stored == page {
        Ok(())
    } else {
        Err(Trouble::Differs(format!("audit entries of node {node}")))
    }
}
