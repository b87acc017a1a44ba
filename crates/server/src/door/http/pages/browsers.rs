//! Known browsers: see them, forget them.
//!
//! Knows: how a browser is told from another. Must never know: what is counted of it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::browser::Which;
use countersign_auth::id::Digest;
use countersign_auth::record::Browser;
use serde::Deserialize;

use super::account::Done;
use super::asked::Settled;
use super::cookies;
use super::frame::{Frame, Moment, Problem, failed, message, onward, show};
use super::sessions::device;
use crate::door::http::Shared;
use crate::door::http::asked::{Asked, BROWSER_COOKIE};

#[derive(Template)]
#[template(path = "browsers.html")]
struct BrowsersPage {
    frame: Frame,
    browsers: Vec<Shown>,
}

/// A known browser as its owner sees it.
struct Shown {
    id: String,
    device: String,
    network: String,
    since: Option<Moment>,
    used: Option<Moment>,
    until: Moment,
    current: bool,
}

impl Shown {
    fn of(id: Digest, browser: Browser, current: bool) -> Shown {
        Shown {
            id: id.short(),
            device: device(&browser.agent),
            since: browser.created_at.map(Moment::of),
            used: browser.last_used.map(Moment::of),
            until: Moment::of(browser.expires_at),
            network: browser.network,
            current,
        }
    }
}

/// `GET /account/browsers`.
pub(super) async fn list(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    let browsers = match service.browsers(&live).await {
        Err(failure) => return failed(&failure),
        Ok(browsers) => browsers,
    };
    let shown = browsers
        .into_iter()
        .map(|(id, browser)| Shown::of(id, browser, Some(id) == origin.browser));
    let page = BrowsersPage {
        frame: Frame {
            done: done.text(),
            ..Frame::of(&live.session, "browsers")
        },
        browsers: shown.collect(),
    };
    show(&page, &page.frame)
}

/// `POST /account/browsers/{id}/forget`.
pub(super) async fn forget(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Settled(live): Settled,
) -> Response {
    let own = origin.browser.is_some_and(|browser| browser.short() == id);
    match service.forget_browsers(&live, Which::One(id), &origin).await {
        Err(failure) => failed(&failure),
        Ok(0) => {
            let text = "There is no such browser. It may have been forgotten already.";
            message("Gone", Problem::of(StatusCode::NOT_FOUND, "", text))
        }
        Ok(_) if own => cookies::drop(onward("/account/browsers?done=forgotten"), BROWSER_COOKIE),
        Ok(_) => onward("/account/browsers?done=forgotten"),
    }
}

/// `POST /account/browsers/forget-all`.
pub(super) async fn forget_all(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
) -> Response {
    match service.forget_browsers(&live, Which::All, &origin).await {
        Err(failure) => failed(&failure),
        Ok(_) => cookies::drop(onward("/account/browsers?done=all-forgotten"), BROWSER_COOKIE),
    }
}

/// Whether the person at a form wishes this browser to be known from now on: a ticked box is sent, an empty one is not.
#[derive(Default, Deserialize)]
#[serde(from = "String")]
pub(super) struct Remember(bool);

impl From<String> for Remember {
    fn from(sent: String) -> Remember {
        Remember(!sent.is_empty())
    }
}

impl Remember {
    pub(super) fn is_wished(&self) -> bool {
        self.0
    }
}
