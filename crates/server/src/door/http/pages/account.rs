//! Home: who is signed in, how strongly, and what the owner is told.
//!
//! Knows: how an account is shown to its owner. Must never know: how to change it.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_auth::record::Account;
use countersign_auth::session::Level;
use serde::Deserialize;

use super::asked::Settled;
use super::factors::codes_left;
use super::frame::{Frame, Moment, failed, show, to_sign_in};
use super::hosts;
use super::step_up;
use crate::door::http::Shared;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    name: String,
    level: &'static str,
    last_sign_in: Option<Moment>,
    until: Moment,
    /// Since when and until when the session is elevated, when it is.
    elevation: Option<(Moment, Moment)>,
    step_up: String,
    sessions: usize,
    authenticators: usize,
    codes_left: usize,
    notices: Vec<(Moment, &'static str)>,
}

/// What was just done; any text, so that no address is an error.
#[derive(Default, Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    /// The sentence for it. Only sentences of ours are ever shown.
    pub(super) fn text(&self) -> Option<&'static str> {
        match self.done.as_str() {
            "sent" => Some("A code is on its way to your telephone. It works for 10 minutes."),
            "mailed" => Some("A code is on its way to the new address."),
            "email" => Some("Mail about your account goes to the new address from now on."),
            "password" => Some("Your password was changed. Every other session has ended."),
            "removed" => Some("The authenticator was removed."),
            "ended" => Some("The session has ended."),
            "others" => Some("Every other session has ended."),
            "approved" => Some("You approved it."),
            "denied" => Some("You denied it."),
            "elevated" => Some("Your other session confirmed this one."),
            "lowered" => Some("The confirmation has ended. What matters asks a code again."),
            "forgotten" => Some("The browser is forgotten."),
            "all-forgotten" => Some("All browsers are forgotten."),
            "revoked" => Some("The token is revoked."),
            "named" => Some("The session has its new name."),
            _ => None,
        }
    }
}

/// `GET /account`.
pub(super) async fn home(
    State(service): State<Shared>,
    Settled(live): Settled,
    headers: HeaderMap,
    Query(done): Query<Done>,
) -> Response {
    if let Some(way) = hosts::remembered(&headers) {
        return way;
    }
    let view = match service.view(&live.session.account).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(view)) => view,
    };
    let elevation = match service.elevation(&live) {
        Err(failure) => return failed(&failure),
        Ok(elevation) => elevation,
    };
    let page = HomePage {
        frame: Frame {
            done: done.text(),
            ..Frame::of(&live.session, "home")
        },
        name: live.session.account.to_string(),
        level: level(live.session.standing.level),
        last_sign_in: view.account.last_sign_in.map(Moment::of),
        until: Moment::of(live.until),
        elevation: elevation.map(|elevation| (Moment::of(elevation.since), Moment::of(elevation.until))),
        step_up: step_up::location("/account", ""),
        sessions: view.sessions.len(),
        authenticators: authenticators(&view.account),
        codes_left: codes_left(&view.account),
        notices: view
            .notices
            .iter()
            .map(|notice| (Moment::of(notice.at), notice.kind.text()))
            .collect(),
    };
    show(&page, &page.frame)
}

/// A level in words.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::Clear => "Over a line in clear",
        Level::One => "Password alone",
        Level::Two => "Password and code",
        Level::TwoPhishingResistant => "Password and passkey",
    }
}

/// How many confirmed authenticators an account has.
pub(super) fn authenticators(account: &Account) -> usize {
    account
        .factors
        .iter()
        .filter(|factor| factor.is_active() && !factor.is_backup())
        .count()
}
