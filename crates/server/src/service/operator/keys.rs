//! The keys that seal: which there are, a new one, every secret sealed anew, an old one forgotten.
//!
//! Knows: which records name which key. Must never know: a key, or where the ring is kept; see
//! [`Keys`](super::super::keys::Keys).
//!
//! A rotation is two steps that may be interrupted between: the new key is in the ring, durable and current,
//! before anything is sealed under it; the old ones stay until nothing names them.

use std::collections::BTreeMap;

use countersign_auth::command::authority::Authorised;
use countersign_auth::command::signing;
use countersign_auth::command::upkeep::Reseal;
use countersign_auth::event::{Act, Ending, Event};
use countersign_auth::name::Name;
use countersign_auth::record::Record;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::super::Failure;
use super::accounts::each_account;
use super::{By, Operator, Reply, Stop, missing, refused};
use crate::store::{Kind, NOTE_SEALING_KEY};

/// Accounts that are sealed anew before the asker hears of it.
const PAGE: usize = 64;
/// Sealing keys that a ring can have: each secret is under one of them, and rotating is seldom.
const SEALING_KEYS_MAX: usize = 64;

/// A sealing key and how much depends on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyUse {
    /// Its id.
    pub id: String,
    /// Whether it is the one that seals anew.
    pub current: bool,
    /// How many secrets are sealed under it.
    pub secrets: u64,
}

impl Operator {
    pub(super) async fn list_keys(&self) -> Result<Reply, Stop> {
        let keys = self.service.ring();
        let (mut uses, accounts) = self.uses().await?;
        let mut listed: Vec<KeyUse> = Vec::new();
        for id in keys.ids() {
            listed.push(KeyUse {
                id: id.to_owned(),
                current: id == keys.current(),
                secrets: uses.remove(id).unwrap_or(0),
            });
        }
        Ok(Reply::Keys {
            keys: listed,
            accounts,
        })
    }

    /// How many secrets each key seals, and how many accounts were looked at.
    async fn uses(&self) -> Result<(BTreeMap<String, u64>, u64), Failure> {
        let signing = self.service.stored_signing().await?;
        self.service
            .read(move |store| {
                let (mut uses, mut accounts) = (BTreeMap::new(), 0);
                each_account(store, |account| {
                    accounts += 1;
                    for id in account
                        .factors
                        .iter()
                        .filter_map(|factor| factor.credential.provider().key_id())
                    {
                        *uses.entry(id.to_owned()).or_insert(0) += 1;
                    }
                    true
                })?;
                for id in signing.sealed_under() {
                    *uses.entry(id).or_insert(0) += 1;
                }
                Ok((uses, accounts))
            })
            .await
    }

    pub(super) async fn rotate_keys(&self, by: &By) -> Result<Reply, Stop> {
        if self.service.ring().ids().count() >= SEALING_KEYS_MAX {
            return Ok(refused(format!(
                "the key ring has {SEALING_KEYS_MAX} sealing keys; forget those that nothing depends on"
            )));
        }
        let ring = match self.service.keys.add() {
            Ok(ring) => ring,
            Err(why) => return Ok(refused(why)),
        };
        let id = ring.current().to_owned();
        let noted = id.clone();
        // A copy of the ring from before is refused from now on, whatever is sealed anew already.
        // From here on no node commits what it sealed under the key before.
        self.service
            .read(move |store| store.set_note(NOTE_SEALING_KEY, &noted).map_err(Failure::Store))
            .await?;
        self.service.keys.hold(ring);
        let event = Event::plain(Act::KeyRotate, Ending::Success, &by.origin).on(id.clone());
        self.service.note(vec![event]).await?;
        Ok(Reply::KeyAdded { id })
    }

    /// Seals the secrets of a page of accounts under the current key.
    ///
    /// The keys that sign tokens go along with the first page.
    pub(super) async fn reseal(&self, after: String, by: &By) -> Result<Reply, Stop> {
        let signing = match after.as_str() {
            "" => self.submit(by, signing::Reseal).await?,
            _ => 0,
        };
        let page = self
            .service
            .read(move |store| {
                store
                    .list(Kind::Account, Some(&after), PAGE)
                    .map_err(Failure::Store)
            })
            .await?;
        let names: Vec<Name> = page
            .into_iter()
            .filter_map(|(_, record)| match record {
                Record::Account(account) => Some(account.name),
                _ => None,
            })
            .collect();
        let next = (names.len() == PAGE)
            .then(|| names.last().map(ToString::to_string))
            .flatten();
        let (accounts, mut secrets) = (names.len() as u64, signing as u64);
        // Handed in together, so that the committer writes them in few groups.
        let mut tasks = JoinSet::new();
        for name in names {
            let (service, authority) = (self.service.clone(), by.authority.clone());
            let rule = Authorised {
                authority,
                rule: Reseal { name },
            };
            tasks.spawn(async move { service.submit(rule).await });
        }
        while let Some(resealed) = tasks.join_next().await {
            let resealed = resealed.map_err(|_| Failure::Internal)??;
            secrets += resealed.map_err(Stop::NotAllowed)? as u64;
        }
        if secrets > 0 {
            let event = Event::plain(Act::KeyReseal, Ending::Success, &by.origin);
            let count = u32::try_from(secrets).unwrap_or(u32::MAX);
            self.service.note(vec![Event { count, ..event }]).await?;
        }
        Ok(Reply::Resealed {
            accounts,
            secrets,
            next,
        })
    }

    pub(super) async fn forget_key(&self, id: String, by: &By) -> Result<Reply, Stop> {
        let ring = self.service.ring();
        if !ring.ids().any(|known| known == id) {
            return Ok(missing(format!(
                "the key ring has no sealing key {id}; `countersign key list` shows them"
            )));
        }
        if ring.current() == id {
            return Ok(refused(format!(
                "{id} is the key that seals anew; run `countersign key rotate` first"
            )));
        }
        let secrets = self.uses().await?.0.remove(&id).unwrap_or(0);
        if secrets > 0 {
            return Ok(refused(format!(
                "{secrets} secrets are still sealed under {id}; run `countersign key rotate`, then forget it"
            )));
        }
        if let Err(why) = self.service.keys.forget(&id) {
            return Ok(refused(why));
        }
        let event = Event::plain(Act::KeyForget, Ending::Success, &by.origin).on(id);
        self.service.note(vec![event]).await?;
        Ok(Reply::Done)
    }
}
