//! Open sessions: see them, name them, end them.
//!
//! Knows: how a session is told from another. Must never know: tokens.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::session::Which;
use serde::Deserialize;

use super::account::{Done, level};
use super::asked::{Form, Settled};
use super::frame::{Frame, Moment, Problem, failed, message, onward, show, to_sign_in};
use crate::door::http::Shared;
use crate::door::http::asked::Asked;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    sessions: Vec<Shown>,
}

/// A session as its owner sees it.
struct Shown {
    id: String,
    label: String,
    device: String,
    network: String,
    level: &'static str,
    began: Moment,
    seen: Moment,
    current: bool,
}

/// A session's new name.
#[derive(Deserialize)]
pub(super) struct Label {
    label: String,
}

/// `GET /account/sessions`.
pub(super) async fn list(
    State(service): State<Shared>,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    let view = match service.view(&live.session.account).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(view)) => view,
    };
    let shown = view.sessions.into_iter().map(|(id, session, seen)| Shown {
        id: id.short(),
        device: device(&session.agent),
        level: level(session.standing.level),
        began: Moment::of(session.created_at),
        seen: Moment::of(seen),
        label: session.label,
        network: session.network,
        current: id == live.id,
    });
    let page = SessionsPage {
        frame: Frame {
            done: done.text(),
            ..Frame::of(&live.session, "sessions")
        },
        sessions: shown.collect(),
    };
    show(&page, &page.frame)
}

/// What a client's description of itself comes to in a few words; a guess, for people alone.
pub(super) fn device(agent: &str) -> String {
    let first = |kinds: &[(&str, &'static str)]| {
        let mut kinds = kinds.iter();
        kinds
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) if agent.is_empty() => "Unknown program".to_owned(),
        (None, None) => agent.chars().take(40).collect(),
    }
}

/// `POST /account/sessions/{id}/end`.
pub(super) async fn end(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Settled(live): Settled,
) -> Response {
    let own = live.id.short() == id;
    match service.end_sessions(&live, Which::One(id), &origin).await {
        Err(failure) => failed(&failure),
        Ok(0) => no_such_session(),
        Ok(_) if own => to_sign_in(),
        Ok(_) => onward("/account/sessions?done=ended"),
    }
}

/// `POST /account/sessions/end-others`.
pub(super) async fn end_others(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
) -> Response {
    match service.end_sessions(&live, Which::Others, &origin).await {
        Err(failure) => failed(&failure),
        Ok(_) => onward("/account/sessions?done=others"),
    }
}

/// `POST /account/sessions/{id}/name`.
pub(super) async fn name(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Label>,
) -> Response {
    match service.name_session(&live, &id, &form.label, &origin).await {
        Err(failure) => failed(&failure),
        Ok(false) => no_such_session(),
        Ok(true) => onward("/account/sessions?done=named"),
    }
}

fn no_such_session() -> Response {
    let text = "There is no such session. It may have ended already.";
    message("Gone", Problem::of(StatusCode::NOT_FOUND, "", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_is_told_in_a_few_words() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36";
        assert_eq!(device(chrome), "Chrome on Linux");
        assert_eq!(
            device("Mozilla/5.0 (Android 15; Mobile) Gecko/1 Firefox/140.0"),
            "Firefox on Android"
        );
        assert_eq!(device("curl/8.1"), "curl/8.1");
        assert_eq!(device(""), "Unknown program");
    }
}
