//! Who is held off, and how to let them in again.
//!
//! Knows: pages of accounts, and the words for what is counted. Must never know: how it is counted; see
//! `countersign_auth::throttle`.

use countersign_auth::command::operator::LiftSource;
use countersign_auth::policy::Policy;
use countersign_auth::record::{Key, Record};
use countersign_auth::seal::KeyRing;
use countersign_auth::throttle::{BUCKETS, Class, State, Table, Tally};
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use super::super::{Failure, networks};
use super::accounts::accounts_after;
use super::{By, Operator, Reply, Stop, malformed, missing};
use crate::store::{Kind, Store};

/// Most accounts that are looked at for one answer.
const LOOKED_AT_MAX: usize = 1_000;

/// Accounts of which something is closed, or nearly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Throttles {
    /// Those accounts, in the order of their names.
    pub accounts: Vec<Throttled>,
    /// How many accounts were looked at.
    pub looked_at: usize,
    /// Name of the account after which to go on; none after the last.
    pub next: Option<String>,
    /// Entries in the table in which everything is counted.
    pub entries: usize,
    /// Entries for which it has room.
    pub entries_max: usize,
    /// How many of its parts are full of what may not be forgotten now: whoever falls into one and is not counted yet
    /// is refused.
    pub buckets_full: usize,
}

/// An account of which something is closed, or nearly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Throttled {
    /// Its name.
    pub name: String,
    /// What is counted, one for each class of credential that is not open.
    pub credentials: Vec<ThrottledCredential>,
}

/// What is counted of one class of credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottledCredential {
    /// `password`, `code` or `backup_code`.
    pub credential: String,
    /// `nearly_closed`, `locked` (to strangers, for a while), `closed_to_strangers` or `closed` (until a sign-in by
    /// something else).
    pub state: String,
    /// Failures of strangers that count towards locking them out for a while.
    pub strangers: u32,
    /// How many lock them out.
    pub strangers_max: u32,
    /// When strangers are let in again, in seconds since 1970.
    pub until: Option<u64>,
    /// Failures of strangers since the last complete sign-in.
    pub since_sign_in_strangers: u32,
    /// All failures since then.
    pub since_sign_in: u32,
}

impl Operator {
    pub(super) async fn list_throttles(&self, after: String) -> Result<Reply, Stop> {
        let (now, policy, keys) = (
            self.service.clock.shown(),
            self.service.policy.clone(),
            self.service.ring(),
        );
        let listed = self
            .service
            .read(move |store| list(&after, now, &policy, &keys, store))
            .await?;
        Ok(Reply::Throttles(listed))
    }

    pub(super) async fn lift_source(&self, typed: &str, by: &By) -> Result<Reply, Stop> {
        let Some(network) = networks::parse(typed) else {
            return Ok(malformed(
                "source: give an IPv4 address, an IPv6 address or its /64, or unix",
            ));
        };
        let rule = LiftSource {
            network: network.clone(),
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            true => Reply::Done,
            false => missing(format!("nothing is held against {network}")),
        })
    }
}

fn list(
    after: &str,
    now: UnixSeconds,
    policy: &Policy,
    keys: &KeyRing,
    store: &dyn Store,
) -> Result<Throttles, Failure> {
    let table = table(store)?;
    let page = accounts_after(store, after, LOOKED_AT_MAX)?;
    let throttled = page.iter().filter_map(|account| {
        let tallies = table.of_account(&account.name, &policy.budgets, now, keys);
        let credentials: Vec<_> = tallies.iter().filter_map(ThrottledCredential::of).collect();
        let name = account.name.to_string();
        (!credentials.is_empty()).then_some(Throttled { name, credentials })
    });
    let accounts = throttled.collect();
    let fullness = table.fullness(now);
    Ok(Throttles {
        accounts,
        looked_at: page.len(),
        next: page
            .last()
            .filter(|_| page.len() == LOOKED_AT_MAX)
            .map(|last| last.name.to_string()),
        entries: fullness.entries,
        entries_max: fullness.entries_max,
        buckets_full: fullness.buckets_full,
    })
}

fn table(store: &dyn Store) -> Result<Table, Failure> {
    let mut table = Table::default();
    let buckets = store
        .list(Kind::Bucket, None, usize::from(BUCKETS))
        .map_err(Failure::Store)?;
    for (key, record) in buckets {
        if let (Key::Bucket(number), Record::Bucket(bucket)) = (key, record) {
            table.insert(number, bucket);
        }
    }
    Ok(table)
}

impl ThrottledCredential {
    /// Nothing where it is open.
    fn of(tally: &Tally) -> Option<ThrottledCredential> {
        let (state, until) = match tally.state {
            State::Open => return None,
            State::NearlyClosed => ("nearly_closed", None),
            State::Locked(until) => ("locked", Some(until.0)),
            State::ClosedToStrangers => ("closed_to_strangers", None),
            State::Closed => ("closed", None),
        };
        let credential = match tally.class {
            Class::Password => "password",
            Class::Otp => "code",
            Class::Backup => "backup_code",
        };
        Some(ThrottledCredential {
            credential: credential.to_owned(),
            state: state.to_owned(),
            strangers: tally.strangers,
            strangers_max: tally.strangers_max,
            until,
            since_sign_in_strangers: tally.since_sign_in_strangers,
            since_sign_in: tally.since_sign_in,
        })
    }

    /// Its state, in words, but for the time until which it lasts.
    pub fn told(&self) -> String {
        let strangers = format!(
            "{} of {} failures of strangers",
            self.strangers, self.strangers_max
        );
        let since = format!("{} failures since the last sign-in", self.since_sign_in);
        match self.state.as_str() {
            "nearly_closed" => format!("nearly closed: {strangers}, {since}"),
            "locked" => format!("strangers are locked out for a while: {strangers}"),
            "closed_to_strangers" => {
                format!("closed to strangers until its owner signs in: {since}")
            }
            _ => format!("closed until its owner signs in by something else: {since}"),
        }
    }
}
