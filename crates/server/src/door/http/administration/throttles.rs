//! The API of whoever is held off: seen, and let in again.
//!
//! Knows: parameters and members. Must never know: what closes a budget.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Administering, Wanted, unexpected};
use crate::door::http::asked::Body;
use crate::door::http::openapi::{Administered, Always, InSession, Missing, Parameters, WithBody};
use crate::service::operator::{self as told, Ask, Reply};

/// Which accounts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::door::http) struct Listed {
    /// Name of the account after which to begin; the `next` of the page before.
    #[serde(default)]
    after: String,
}

/// Accounts of which something is closed, or half of a budget is used.
#[derive(Serialize, ToSchema)]
#[schema(as = ThrottlesPage)]
struct Page {
    /// In the order of their names.
    accounts: Vec<Account>,
    /// How many accounts were looked at.
    looked_at: usize,
    /// Where the next page begins; none after the last.
    next: Option<String>,
    /// Entries in the table in which everything is counted.
    entries: usize,
    /// Entries for which it has room.
    entries_max: usize,
    /// How many of its parts are full of what may not be forgotten now.
    buckets_full: usize,
}

/// An account of which something is closed, or nearly.
#[derive(Serialize, ToSchema)]
#[schema(as = ThrottledAccount)]
struct Account {
    name: String,
    /// One for each class of credential that is not open.
    credentials: Vec<Credential>,
}

/// What is counted of one class of credential.
#[derive(Serialize, ToSchema)]
#[schema(as = ThrottledCredential)]
struct Credential {
    /// `password`, `code` or `backup_code`.
    credential: String,
    /// `nearly_closed`, `locked`, `closed_to_strangers` or `closed`.
    state: String,
    /// Failures of strangers that count towards locking them out for a while.
    strangers: u32,
    /// How many lock them out.
    strangers_max: u32,
    /// When strangers are let in again, in seconds since 1970.
    until: Option<u64>,
    /// Failures of strangers since the last complete sign-in.
    since_sign_in_strangers: u32,
    /// All failures since then.
    since_sign_in: u32,
}

impl From<told::Throttled> for Account {
    fn from(told: told::Throttled) -> Account {
        let credential = |told: told::ThrottledCredential| Credential {
            credential: told.credential,
            state: told.state,
            strangers: told.strangers,
            strangers_max: told.strangers_max,
            until: told.until,
            since_sign_in_strangers: told.since_sign_in_strangers,
            since_sign_in: told.since_sign_in,
        };
        Account {
            name: told.name,
            credentials: told.credentials.into_iter().map(credential).collect(),
        }
    }
}

/// Lists accounts of which something is closed, or half of a budget is used; 1,000 accounts are looked at at a time.
#[utoipa::path(
    get,
    operation_id = "administer_throttles",
    path = "/api/admin/throttles",
    tag = "administration",
    security(("session" = [])),
    params(Listed),
    responses(
        (status = 200, description = "Those of a page of accounts", body = Page),
        Parameters,
        InSession,
        Administered,
        Always
    )
)]
pub(in crate::door::http) async fn list(admin: Administering, Wanted(listed): Wanted<Listed>) -> Response {
    match admin.ask(Ask::ThrottleList { after: listed.after }).await {
        Ok(Reply::Throttles(listed)) => Json(Page {
            accounts: listed.accounts.into_iter().map(Account::from).collect(),
            looked_at: listed.looked_at,
            next: listed.next,
            entries: listed.entries,
            entries_max: listed.entries_max,
            buckets_full: listed.buckets_full,
        })
        .into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// A source that is to be let in again.
#[derive(Deserialize, ToSchema)]
#[schema(as = SourceToLift)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct Lifted {
    /// An IPv4 address, an IPv6 address (its /64 counts), or `unix`.
    source: String,
}

/// Forgets what is held against a source over all names; `POST /api/admin/people/{name}/unlock` does it for an account.
#[utoipa::path(
    post,
    operation_id = "administer_lift_source",
    path = "/api/admin/throttles/lift",
    tag = "administration",
    security(("session" = [])),
    request_body = Lifted,
    responses(
        (status = 200, description = "It is forgotten", body = super::Done),
        WithBody,
        InSession,
        Administered,
        Missing,
        Always
    )
)]
pub(in crate::door::http) async fn lift(admin: Administering, Body(lifted): Body<Lifted>) -> Response {
    admin
        .have_done(Ask::ThrottleLift {
            source: lifted.source,
        })
        .await
}
