//! The API of what happened: the audit, searched and over time.
//!
//! Knows: parameters and members. Must never know: how entries are found.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Administering, Wanted, unexpected};
use crate::door::http::openapi::{Administered, Always, InSession, Parameters};
use crate::service::operator::{self as told, Ask, Reply};

/// Which entries: those to which all that is given applies.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::door::http) struct Search {
    /// From when on: how long ago (`90s`, `30m`, `2h`, `7d`), a time (RFC 3339), a day, or seconds since 1970.
    since: Option<String>,
    /// Until when, in the same spellings.
    until: Option<String>,
    /// The account's name, or a name that was tried and that nobody has.
    subject: Option<String>,
    /// The name of whoever acted for others.
    by: Option<String>,
    /// What was done or tried.
    act: Option<String>,
    /// `success` or `refused`.
    result: Option<String>,
    /// Why.
    reason: Option<String>,
    /// Where it came from: an address, or a network as the audit spells it.
    source: Option<String>,
    /// At most so many entries, and never more than 200.
    #[serde(default)]
    limit: u16,
    /// Where an earlier search stopped: its `older`.
    cursor: Option<String>,
}

impl From<Search> for told::Search {
    fn from(search: Search) -> told::Search {
        told::Search {
            since: search.since,
            until: search.until,
            subject: search.subject,
            by: search.by,
            act: search.act,
            result: search.result,
            reason: search.reason,
            source: search.source,
            limit: usize::from(search.limit),
            cursor: search.cursor,
        }
    }
}

/// An entry of the audit.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct Entry {
    /// The node whose chain it belongs to.
    node: String,
    /// Its number there.
    number: u64,
    /// When, in seconds since 1970.
    at: u64,
    /// What was done or tried, how it ended and why, of whom, by whom and from where; a member that says nothing is
    /// absent.
    #[schema(value_type = Object)]
    event: serde_json::Value,
}

impl From<told::Entry> for Entry {
    fn from(told: told::Entry) -> Entry {
        Entry {
            node: told.node,
            number: told.number,
            at: told.at,
            event: told.event,
        }
    }
}

/// What a search found.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditFound)]
struct Found {
    /// The latest first.
    entries: Vec<Entry>,
    /// How many entries were looked at.
    looked_at: u64,
    /// The cursor of older ones; none where all was looked at.
    older: Option<String>,
    /// Whether it stopped because it had looked at as much as one search may, and not because it had found enough.
    stopped_early: bool,
}

/// Searches the audit of all nodes, the latest entry first.
#[utoipa::path(
    get,
    operation_id = "administer_audit",
    path = "/api/admin/audit",
    tag = "administration",
    security(("session" = [])),
    params(Search),
    responses(
        (status = 200, description = "What was found", body = Found),
        Parameters,
        InSession,
        Administered,
        Always
    )
)]
pub(in crate::door::http) async fn search(admin: Administering, Wanted(search): Wanted<Search>) -> Response {
    match admin.ask(Ask::AuditSearch(search.into())).await {
        Ok(Reply::AuditFound(found)) => Json(Found {
            entries: found.entries.into_iter().map(Entry::from).collect(),
            looked_at: found.looked_at,
            older: found.older,
            stopped_early: found.stopped_early,
        })
        .into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// Over which time, and how finely.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::door::http) struct Span {
    /// From when on, as in a search; a day before the end.
    since: Option<String>,
    /// Until when; now.
    until: Option<String>,
    /// Into how many stretches, 1 to 200; 48.
    buckets: Option<u32>,
}

/// How often something happened over time.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditTimeline)]
struct Timeline {
    /// When the first stretch begins, in seconds since 1970.
    since: u64,
    /// When the last one is over.
    until: u64,
    /// How long each is, in seconds.
    bucket_s: u64,
    /// The earliest first.
    buckets: Vec<Counts>,
    /// How many entries were looked at.
    looked_at: u64,
    /// From when on everything was counted; later than `since` where there was more than may be looked at.
    counted_since: u64,
}

/// What was counted in one stretch.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditCounts)]
struct Counts {
    sign_ins: u64,
    step_ups: u64,
    /// Whatever was refused and is neither of the following.
    refusals: u64,
    /// Codes that had been used before.
    replays: u64,
    throttled: u64,
}

impl From<told::Counts> for Counts {
    fn from(told: told::Counts) -> Counts {
        Counts {
            sign_ins: told.sign_ins,
            step_ups: told.step_ups,
            refusals: told.refusals,
            replays: told.replays,
            throttled: told.throttled,
        }
    }
}

/// Counts sign-ins, step-ups and refusals over time.
#[utoipa::path(
    get,
    operation_id = "administer_timeline",
    path = "/api/admin/audit/timeline",
    tag = "administration",
    security(("session" = [])),
    params(Span),
    responses(
        (status = 200, description = "What was counted", body = Timeline),
        Parameters,
        InSession,
        Administered,
        Always
    )
)]
pub(in crate::door::http) async fn timeline(admin: Administering, Wanted(span): Wanted<Span>) -> Response {
    let Span {
        since,
        until,
        buckets,
    } = span;
    match admin
        .ask(Ask::AuditTimeline {
            since,
            until,
            buckets,
        })
        .await
    {
        Ok(Reply::AuditTimeline(counted)) => Json(Timeline {
            since: counted.since,
            until: counted.until,
            bucket_s: counted.bucket_s,
            buckets: counted.buckets.into_iter().map(Counts::from).collect(),
            looked_at: counted.looked_at,
            counted_since: counted.counted_since,
        })
        .into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}
