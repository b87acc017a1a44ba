//! The key ring as this node holds it, and as it is kept where every node of the installation reads it.
//!
//! Knows: when what is held must be read anew. Must never know: where a ring is kept; the wiring hands in a
//! [`RingKeeper`].

use std::sync::{Arc, RwLock};

use countersign_auth::seal::KeyRing;

/// Reads and changes the key ring where it is kept.
pub trait RingKeeper: Send + Sync {
    /// Reads it.
    ///
    /// # Errors
    /// Why it can't be done, and what to do.
    fn read(&self) -> Result<KeyRing, String>;

    /// Adds a fresh sealing key, which becomes the current one.
    ///
    /// # Errors
    /// Why it can't be done, and what to do.
    fn add(&self) -> Result<KeyRing, String>;

    /// Removes a sealing key.
    ///
    /// # Errors
    /// Why it can't be done, and what to do.
    fn forget(&self, id: &str) -> Result<KeyRing, String>;
}

/// A ring that is kept nowhere, for a service that lives no longer than its process.
pub struct Unkept;

impl RingKeeper for Unkept {
    fn read(&self) -> Result<KeyRing, String> {
        Err("the key ring is kept nowhere".into())
    }

    fn add(&self) -> Result<KeyRing, String> {
        self.read()
    }

    fn forget(&self, _: &str) -> Result<KeyRing, String> {
        self.read()
    }
}

/// The ring in use; replaced whole, so that a decision works with one ring from beginning to end.
pub struct Keys {
    held: RwLock<Arc<KeyRing>>,
    keeper: Box<dyn RingKeeper>,
}

impl Keys {
    /// Holds a ring, which is kept by `keeper`.
    pub fn new(ring: KeyRing, keeper: Box<dyn RingKeeper>) -> Keys {
        Keys {
            held: RwLock::new(Arc::new(ring)),
            keeper,
        }
    }

    /// The ring as it is held.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.held
            .read()
            .expect("no thread panics while it replaces the ring")
            .clone()
    }

    /// Whether a sealing key is held.
    pub fn holds(&self, id: &str) -> bool {
        self.ring().ids().any(|known| known == id)
    }

    /// Adds a sealing key where the ring is kept; it is not held before [`Keys::hold`].
    ///
    /// # Errors
    /// Why it can't be done, and what to do.
    pub fn add(&self) -> Result<KeyRing, String> {
        self.keeper.add()
    }

    /// Removes a sealing key.
    ///
    /// # Errors
    /// Why it can't be done, and what to do.
    pub fn forget(&self, id: &str) -> Result<(), String> {
        self.keeper.forget(id).map(|ring| self.hold(ring))
    }

    /// Works with another ring from the next decision on.
    pub fn hold(&self, ring: KeyRing) {
        *self
            .held
            .write()
            .expect("no thread panics while it holds the ring") = Arc::new(ring);
    }

    /// Reads the ring anew, because another node may have added a key; whether it changed.
    ///
    /// A ring of another installation is never taken, and none without the `newest` key; where that is not known, none
    /// without the key in use.
    pub fn read_anew(&self, newest: Option<&str>) -> bool {
        let held = self.ring();
        let needed = newest.unwrap_or_else(|| held.current());
        match self.keeper.read() {
            Ok(ring) if ring.fingerprint() != held.fingerprint() => {
                tracing::error!(
                    "the key ring was replaced by another installation's; the old one stays in use"
                );
                false
            }
            Ok(ring) if ring.ids().all(|id| id != needed) => false,
            Ok(ring) => {
                let changed = !ring.ids().eq(held.ids());
                if changed {
                    tracing::info!(current = ring.current(), "the key ring was read anew");
                    self.hold(ring);
                }
                changed
            }
            Err(why) => {
                tracing::error!(why, "the key ring could not be read anew");
                false
            }
        }
    }
}
