//! A store that fails where it is told to, and is heard of when a test says so: the ordinary port with a fault inside,
//! for tests of whoever stands above.
//!
//! Knows: when to fail. Must never know: what is stored.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use countersign_auth::record::{Key, Record};
use countersign_auth::snapshot::Stored;
use countersign_core::time::UnixSeconds;

use super::{AuditRow, Batch, Chain, Fate, Kind, Listener, Place, Store, StoreError};

/// Where the next commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Before anything is written.
    BeforeCommit,
    /// After everything is durable, before the answer.
    AfterCommit,
    /// Nowhere: so many times in a row another node changes what was decided upon, and the decision is lost.
    Outrun(u32),
}

/// Wraps a store and fails one commit at a time. What the store itself says of its clock is not passed on.
pub struct Faulty {
    inner: Arc<dyn Store>,
    next: Mutex<Option<Fault>>,
    /// How often keys were read.
    loads: AtomicU64,
    /// Who is told of beats; no listener is taken where there is no place for one.
    listener: Option<Mutex<Option<Arc<dyn Listener>>>>,
}

impl Faulty {
    /// Wraps a store that works until [`Faulty::fail_next`].
    pub fn new(inner: Arc<dyn Store>) -> Faulty {
        Faulty {
            inner,
            next: Mutex::new(None),
            loads: AtomicU64::new(0),
            listener: None,
        }
    }

    /// Wraps a store that several nodes share: its listener hears what a test says.
    pub fn shared(inner: Arc<dyn Store>) -> Faulty {
        Faulty {
            listener: Some(Mutex::default()),
            ..Faulty::new(inner)
        }
    }

    /// Whoever listens to it, if anybody does.
    pub fn listener(&self) -> Option<Arc<dyn Listener>> {
        let listener = self.listener.as_ref()?.lock();
        listener
            .expect("no thread panics while it holds the listener")
            .clone()
    }

    /// How often keys were read so far: round trips, where the store is on another machine.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    /// Makes the next commit fail.
    pub fn fail_next(&self, fault: Fault) {
        *self
            .next
            .lock()
            .expect("no thread panics while it holds the fault") = Some(fault);
    }
}

impl Store for Faulty {
    fn load(&self, keys: &[Key]) -> Result<Vec<Stored>, StoreError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.inner.load(keys)
    }

    fn commit(&self, batch: &Batch, chain: &mut Chain<'_>) -> Result<Vec<Fate>, StoreError> {
        let fault = self
            .next
            .lock()
            .expect("no thread panics while it holds the fault")
            .take();
        match fault {
            None | Some(Fault::Outrun(0)) => self.inner.commit(batch, chain),
            Some(Fault::Outrun(times)) => {
                self.fail_next(Fault::Outrun(times - 1));
                Ok(vec![Fate::Lost; batch.parts.len()])
            }
            Some(Fault::BeforeCommit) => Err(StoreError::Unavailable("injected".into())),
            Some(Fault::AfterCommit) => {
                self.inner.commit(batch, chain)?;
                Err(StoreError::Unknown("injected".into()))
            }
        }
    }

    fn list(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<(Key, Record)>, StoreError> {
        self.inner.list(kind, after, limit)
    }

    fn expired(&self, now: UnixSeconds, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.inner.expired(now, limit)
    }

    fn audit(&self, node: &str, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.inner.audit(node, after, limit)
    }

    fn audit_before(
        &self,
        node: &str,
        since: UnixSeconds,
        before: Place,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.inner.audit_before(node, since, before, limit)
    }

    fn audit_heads(&self) -> Result<Vec<AuditRow>, StoreError> {
        self.inner.audit_heads()
    }

    fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.inner.note(name)
    }

    fn set_note(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.inner.set_note(name, value)
    }

    fn claim_note(&self, name: &str, value: &str) -> Result<String, StoreError> {
        self.inner.claim_note(name, value)
    }

    fn follow(&self, _: &str, listener: Arc<dyn Listener>) -> bool {
        let Some(place) = &self.listener else {
            return false;
        };
        *place
            .lock()
            .expect("no thread panics while it holds the listener") = Some(listener);
        true
    }

    fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        self.inner.copy_to(file)
    }
}
