//! The API of one's own sessions: listed, named, ended.
//!
//! Knows: bodies and statuses. Must never know: rules.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::session::Which;
use countersign_auth::session::Level;
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, Body, Id, Whole};
use super::enrol::{Done, refused};
use super::openapi::{Always, Enrolled, InSession, Missing, Proxied, WithBody};
use super::{Shared, answer};

/// A live session of the account.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct Open<'a> {
    id: String,
    label: &'a str,
    /// Seconds since 1970, as all times here.
    #[schema(value_type = u64)]
    created_at: UnixSeconds,
    #[schema(value_type = u64)]
    last_seen: UnixSeconds,
    #[schema(value_type = u64)]
    expires_at: UnixSeconds,
    network: &'a str,
    agent: &'a str,
    /// How strongly it was proven.
    #[schema(value_type = String)]
    acr: Level,
    /// By what it was proven (RFC 8176).
    amr: &'a [String],
    /// Whether it is the one that asks.
    current: bool,
}

/// The account's live sessions, newest first.
#[utoipa::path(
    get,
    path = "/api/sessions",
    tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "Live sessions", body = Vec<Open>), InSession, Enrolled, Always)
)]
pub(super) async fn sessions(State(service): State<Shared>, Whole(live): Whole) -> Response {
    let view = match service.view(&live.session.account).await {
        Err(failure) => return answer::failed(&failure),
        Ok(None) => return refused(&Denied::NoSession),
        Ok(Some(view)) => view,
    };
    let sessions = view.sessions.iter().map(|(id, session, last_seen)| Open {
        id: id.short(),
        label: &session.label,
        created_at: session.created_at,
        last_seen: *last_seen,
        expires_at: session.expires_at,
        network: &session.network,
        agent: &session.agent,
        acr: session.standing.level,
        amr: &session.methods,
        current: *id == live.id,
    });
    Json(sessions.collect::<Vec<_>>()).into_response()
}

/// A session's new name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    label: String,
}

/// Names a session.
#[utoipa::path(
    post,
    path = "/api/sessions/{id}",
    tag = "account",
    security(("session" = [])),
    params(("id" = String, Path, pattern = "^[0-9a-f]{8}$")),
    request_body = Label,
    responses(
        (status = 200, description = "It is named", body = Done),
        WithBody,
        InSession,
        Enrolled,
        Missing,
        Always
    )
)]
pub(super) async fn name_session(
    State(service): State<Shared>,
    Id(id): Id,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(label): Body<Label>,
) -> Response {
    match service.name_session(&live, &id, &label.label, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(true) => Done::answer(),
        Ok(false) => no_such_session(),
    }
}

/// How many sessions ended.
#[derive(Serialize, ToSchema)]
struct Ended {
    status: &'static str,
    ended: usize,
}

impl Ended {
    fn answer(ended: usize) -> Response {
        let status = "success";
        Json(Ended { status, ended }).into_response()
    }
}

/// Ends a session.
#[utoipa::path(
    delete,
    path = "/api/sessions/{id}",
    tag = "account",
    security(("session" = [])),
    params(("id" = String, Path, pattern = "^[0-9a-f]{8}$")),
    responses(
        (status = 200, description = "It is over", body = Ended),
        Proxied,
        InSession,
        Enrolled,
        Missing,
        Always
    )
)]
pub(super) async fn end_session(
    State(service): State<Shared>,
    Id(id): Id,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.end_sessions(&live, Which::One(id), &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(0) => no_such_session(),
        Ok(ended) => Ended::answer(ended),
    }
}

/// Ends every session but the one that asks.
#[utoipa::path(
    post,
    path = "/api/sessions/end-others",
    tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "They are over", body = Ended), Proxied, InSession, Enrolled, Always)
)]
pub(super) async fn end_others(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.end_sessions(&live, Which::Others, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(ended) => Ended::answer(ended),
    }
}

fn no_such_session() -> Response {
    answer::problem(
        StatusCode::NOT_FOUND,
        "no_session",
        "There is no such session",
        "GET /api/sessions lists them",
    )
}
