//! A store in memory, for tests: the same promises as the others, but for durability.
//!
//! Knows: nothing that outlives it. Must never know: production; no setting chooses it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use countersign_auth::record::{Key, Record};
use countersign_auth::rule::Change;
use countersign_auth::snapshot::{Stored, Version};
use countersign_core::time::UnixSeconds;

use super::codec::{self, Kind};
use super::{AuditRow, Batch, Chain, Fate, NOTE_HIGH_WATER, NOTE_SEALING_KEY, Place, Store, StoreError};

/// A store that forgets everything when it is dropped.
#[derive(Default)]
pub struct Memory {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    records: BTreeMap<Key, (Version, Record)>,
    audit: Vec<AuditRow>,
    notes: BTreeMap<String, String>,
    version: Version,
}

impl Memory {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held
            .lock()
            .expect("no thread panics while it holds the memory store")
    }
}

impl Held {
    fn stored(&self, key: &Key) -> Stored {
        match self.records.get(key) {
            Some((version, record)) => Stored {
                version: *version,
                record: Some(record.clone()),
            },
            None => Stored::ABSENT,
        }
    }
}

impl Store for Memory {
    fn load(&self, keys: &[Key]) -> Result<Vec<Stored>, StoreError> {
        let held = self.held();
        Ok(keys.iter().map(|key| held.stored(key)).collect())
    }

    fn commit(&self, batch: &Batch, chain: &mut Chain<'_>) -> Result<Vec<Fate>, StoreError> {
        let mut held = self.held();
        if batch.is_sealed_under_an_older_key(held.notes.get(NOTE_SEALING_KEY).map(String::as_str)) {
            return Ok(vec![Fate::Lost; batch.parts.len()]);
        }
        let versions = batch
            .keys()
            .into_iter()
            .map(|key| (key, held.stored(key).version))
            .collect();
        let fates = batch.fates(&versions);
        held.version += 1;
        let version = held.version;
        for change in batch.winning(&fates) {
            match change {
                Change::Put(key, record) => drop(held.records.insert(key.clone(), (version, record.clone()))),
                Change::Delete(key) => drop(held.records.remove(key)),
                Change::Audit(_) => {}
            }
        }
        held.audit.extend(chain(&fates));
        let high_water = held
            .notes
            .get(NOTE_HIGH_WATER)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        held.notes
            .insert(NOTE_HIGH_WATER.into(), batch.now.0.max(high_water).to_string());
        Ok(fates)
    }

    fn list(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<(Key, Record)>, StoreError> {
        let held = self.held();
        let mut found: Vec<_> = held
            .records
            .iter()
            .map(|(key, (_, record))| (codec::spelt(key), key, record))
            .filter(|((of, id), ..)| *of == kind && after.is_none_or(|after| id.as_str() > after))
            .collect();
        found.sort_by(|((_, a), ..), ((_, b), ..)| a.cmp(b));
        Ok(found
            .into_iter()
            .take(limit)
            .map(|(_, key, record)| (key.clone(), record.clone()))
            .collect())
    }

    fn expired(&self, now: UnixSeconds, limit: usize) -> Result<Vec<Key>, StoreError> {
        let held = self.held();
        let over = |record: &Record| record.expires_at().is_some_and(|at| at <= now);
        let found = held.records.iter().filter(|(_, (_, record))| over(record));
        Ok(found.take(limit).map(|(key, _)| key.clone()).collect())
    }

    fn audit(&self, node: &str, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let held = self.held();
        let of_node = held
            .audit
            .iter()
            .filter(|row| row.node == node && row.number > after);
        Ok(of_node.take(limit).cloned().collect())
    }

    fn audit_before(
        &self,
        node: &str,
        since: UnixSeconds,
        before: Place,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let place = |row: &AuditRow| Place {
            at: row.at,
            number: row.number,
        };
        let held = self.held();
        let of_node = held.audit.iter().filter(|row| row.node == node);
        let mut found: Vec<&AuditRow> = of_node
            .filter(|row| row.at >= since && place(row) < before)
            .collect();
        found.sort_by_key(|row| std::cmp::Reverse(place(row)));
        Ok(found.into_iter().take(limit).cloned().collect())
    }

    fn audit_heads(&self) -> Result<Vec<AuditRow>, StoreError> {
        let held = self.held();
        let heads: BTreeMap<&str, &AuditRow> =
            held.audit.iter().map(|row| (row.node.as_str(), row)).collect();
        Ok(heads.into_values().cloned().collect())
    }

    fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.held().notes.get(name).cloned())
    }

    fn set_note(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.held().notes.insert(name.into(), value.into());
        Ok(())
    }

    fn copy_to(&self, _: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("a store in memory has no copy".into()))
    }
}
