//! The keys that sign tokens: the first is made when there is none, and a further one takes over without a gap.
//!
//! Knows: when a key signs and how long it is still believed. Must never know: how a token is signed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::event::{Act, Ending, Event, Origin};
use crate::id::hex;
use crate::record::{Key, Record, Signing, SigningKey};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::seal::{Place, SealError};
use crate::snapshot::Snapshot;

/// Seconds for which others may keep a copy of the public keys.
pub const PUBLISHED_S: u32 = 300;
/// Most keys at once; adding one more waits until the oldest has ended.
pub const SIGNING_KEYS_MAX: usize = 8;

/// Adds a signing key.
#[derive(Clone)]
pub struct Add {
    /// Its secret seed.
    pub seed: Zeroizing<[u8; 32]>,
    /// Its public half.
    pub public: [u8; 32],
    /// Whether it is wanted only when there is none.
    pub first_only: bool,
    /// Who asks.
    pub origin: Origin,
}

/// The answer to [`Add`].
#[derive(Clone, Debug, PartialEq)]
pub enum Added {
    /// The keys as they now are.
    Keys(Signing),
    /// There are as many as there can be.
    TooMany,
}

impl Rule for Add {
    type Outcome = Added;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Signing]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Added>, Fault> {
        let mut signing = match seen.record(&Key::Signing) {
            Some(Record::Signing(signing)) => signing.clone(),
            _ => Signing::default(),
        };
        if self.first_only && !signing.keys.is_empty() {
            return Ok(Decision::unchanged(Added::Keys(signing)));
        }
        signing
            .keys
            .retain(|key| key.ends_at.is_none_or(|ends_at| world.now < ends_at));
        if signing.keys.len() >= SIGNING_KEYS_MAX {
            return Ok(Decision::unchanged(Added::TooMany));
        }
        let published_s = if signing.keys.is_empty() { 0 } else { PUBLISHED_S };
        let signs_from = world.now.plus(u64::from(published_s));
        for key in signing.keys.iter_mut().filter(|key| key.ends_at.is_none()) {
            let session_s = u64::from(world.policy.session_s);
            key.ends_at = Some(signs_from.max(key.signs_from).plus(session_s));
        }
        let id = hex(&self.public[..8]);
        let key = SigningKey {
            seed: world.keys.seal(&*self.seed, place(&id), world.entropy),
            public: hex(&self.public),
            signs_from,
            ends_at: None,
            id,
        };
        let event = Event::plain(Act::SigningKeyAdd, Ending::Success, &self.origin).on(key.id.clone());
        signing.keys.push(key);
        Ok(Decision {
            outcome: Added::Keys(signing.clone()),
            changes: alloc::vec![
                Change::Put(Key::Signing, Record::Signing(signing)),
                Change::Audit(event),
            ],
        })
    }
}

/// Seals every signing key anew that is sealed under an older key of the ring.
#[derive(Clone, Copy, Debug)]
pub struct Reseal;

impl Rule for Reseal {
    /// How many were sealed anew.
    type Outcome = usize;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Signing]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<usize>, Fault> {
        let Some(Record::Signing(signing)) = seen.record(&Key::Signing) else {
            return Ok(Decision::unchanged(0));
        };
        let (mut signing, mut sealed) = (signing.clone(), 0);
        for key in &mut signing.keys {
            if key.seed.key_id() != world.keys.current() {
                let seed = world.keys.open(&key.seed, place(&key.id))?;
                key.seed = world.keys.seal(&seed, place(&key.id), world.entropy);
                sealed += 1;
            }
        }
        if sealed == 0 {
            return Ok(Decision::unchanged(0));
        }
        Ok(Decision {
            outcome: sealed,
            changes: alloc::vec![Change::Put(Key::Signing, Record::Signing(signing))],
        })
    }
}

impl SigningKey {
    /// Its secret seed.
    ///
    /// # Errors
    /// [`SealError`] when it can't be opened.
    pub fn open(&self, keys: &crate::seal::KeyRing) -> Result<Zeroizing<Vec<u8>>, SealError> {
        keys.open(&self.seed, place(&self.id))
    }
}

impl Signing {
    /// The key that signs at a moment: of those whose time has come, the newest.
    pub fn signing_at(&self, now: countersign_core::time::UnixSeconds) -> Option<&SigningKey> {
        self.keys.iter().rev().find(|key| key.signs_from <= now)
    }

    /// The keys whose tokens are believed at a moment, or soon will be.
    pub fn published_at(
        &self,
        now: countersign_core::time::UnixSeconds,
    ) -> impl Iterator<Item = &SigningKey> {
        let is_alive = move |key: &&SigningKey| key.ends_at.is_none_or(|ends_at| now < ends_at);
        self.keys.iter().filter(is_alive)
    }

    /// Ids of the ring's keys that the seeds are sealed under.
    pub fn sealed_under(&self) -> Vec<String> {
        self.keys
            .iter()
            .map(|key| key.seed.key_id().to_string())
            .collect()
    }
}

fn place(id: &str) -> Place<'_> {
    Place {
        table: "signing",
        row: id,
        column: "seed",
    }
}
