//! The API of one's own sessions: listed, named, ended.
//!
//! Knows: bodies and statuses. Must never know: rules.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::session::Which;
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Body, Whole};
use super::enrol::refused;
use super::{Shared, answer};

/// `GET /api/sessions`.
pub(super) async fn sessions(State(service): State<Shared>, Whole(live): Whole) -> Response {
    let view = match service.view(&live.session.account).await {
        Err(failure) => return answer::failed(&failure),
        Ok(None) => return refused(&Denied::NoSession),
        Ok(Some(view)) => view,
    };
    let sessions = view.sessions.iter().map(|(id, session, last_seen)| {
        json!({
            "id": id.short(),
            "label": session.label,
            "created_at": session.created_at,
            "last_seen": last_seen,
            "expires_at": session.expires_at,
            "network": session.network,
            "agent": session.agent,
            "acr": session.level,
            "amr": session.methods,
            "current": *id == live.id,
        })
    });
    Json(sessions.collect::<Vec<_>>()).into_response()
}

/// A session's new name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    label: String,
}

/// `POST /api/sessions/{id}`.
pub(super) async fn name_session(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(label): Body<Label>,
) -> Response {
    match service.name_session(&live, &id, &label.label, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(true) => Json(json!({ "status": "success" })).into_response(),
        Ok(false) => no_such_session(),
    }
}

/// `DELETE /api/sessions/{id}`.
pub(super) async fn end_session(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.end_sessions(&live, Which::One(id), &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(0) => no_such_session(),
        Ok(ended) => Json(json!({ "status": "success", "ended": ended })).into_response(),
    }
}

/// `POST /api/sessions/end-others`.
pub(super) async fn end_others(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.end_sessions(&live, Which::Others, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(ended) => Json(json!({ "status": "success", "ended": ended })).into_response(),
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
