//! The audit and the clock, as an operator reads and vouches for them.
//!
//! Knows: pages of entries, and the walk over all chains. Must never know: how an entry is linked; see
//! [`crate::service::audit`].

use countersign_auth::event::{Act, Ending, Event};
use countersign_auth::id::hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::Failure;
use super::super::audit::{self, Checkpoint};
use super::{By, Operator, Reply, Stop};
use crate::store::AuditRow;

/// Entries in one page of the audit.
const PAGE: usize = 500;

/// An entry of the audit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The node whose chain it belongs to.
    pub node: String,
    /// Its number there.
    pub number: u64,
    /// When, in seconds since 1970.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Value,
    /// What binds it to its predecessor, in hexadecimal.
    pub mac: String,
}

impl Entry {
    pub(super) fn of(row: AuditRow) -> Entry {
        Entry {
            node: row.node,
            number: row.number,
            at: row.at.0,
            // What can't be read was altered, and shows nothing; `audit verify` names it.
            event: Value::Object(serde_json::from_str(&row.body).unwrap_or_default()),
            mac: hex(&row.mac),
        }
    }
}

impl Operator {
    pub(super) async fn audit_nodes(&self) -> Result<Reply, Stop> {
        let heads = self
            .service
            .read(|store| store.audit_heads().map_err(Failure::Store))
            .await?;
        Ok(Reply::AuditNodes {
            nodes: heads.into_iter().map(|row| row.node).collect(),
        })
    }

    pub(super) async fn audit_page(&self, node: String, after: u64) -> Result<Reply, Stop> {
        let rows = self
            .service
            .read(move |store| store.audit(&node, after, PAGE).map_err(Failure::Store))
            .await?;
        Ok(Reply::AuditPage {
            entries: rows.into_iter().map(Entry::of).collect(),
        })
    }

    pub(super) async fn audit_verify(&self, checkpoint: Option<Checkpoint>) -> Result<Reply, Stop> {
        let keys = self.service.ring();
        self.service
            .read(move |store| {
                let (entries, damages) =
                    audit::verify(store, &keys, checkpoint.as_ref()).map_err(Failure::Store)?;
                let damages = damages.iter().map(ToString::to_string).collect();
                Ok(Reply::AuditVerified { entries, damages })
            })
            .await
            .map_err(Stop::Failed)
    }

    /// Believes the clock as it stands, also at the next start.
    pub(super) async fn accept_clock(&self, by: &By) -> Result<Reply, Stop> {
        self.service.clock.accept();
        let now = self.service.clock.shown();
        self.service
            .read(move |store| {
                store
                    .set_note(crate::store::NOTE_HIGH_WATER, &now.to_string())
                    .map_err(Failure::Store)
            })
            .await?;
        let event = Event::plain(Act::ClockAccept, Ending::Success, &by.origin);
        self.service.note(vec![event]).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn status(&self) -> Result<Reply, Stop> {
        let failure = self.service.ready().await.err();
        let high_water = self
            .service
            .read(|store| store.note(crate::store::NOTE_HIGH_WATER).map_err(Failure::Store))
            .await?;
        Ok(Reply::Status {
            clock_doubted: matches!(failure, Some(Failure::Clock(_))),
            trouble: failure.map(|failure| failure.to_string()),
            now: self.service.clock.shown().0,
            high_water: high_water.and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    }
}
