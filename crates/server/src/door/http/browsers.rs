//! The API of one's own known browsers: listed, forgotten.
//!
//! Knows: bodies and statuses. Must never know: rules, or cookies.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::browser::Which;
use countersign_core::time::UnixSeconds;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, Id, Whole};
use super::openapi::{Always, Enrolled, InSession, Missing};
use super::{Shared, answer};

/// A browser whose failures are counted apart from strangers'.
#[derive(Serialize, ToSchema)]
#[schema(as = KnownBrowser)]
struct Known<'a> {
    id: String,
    agent: &'a str,
    /// Where it was used last.
    network: &'a str,
    /// Seconds since 1970, as all times here; none where it was not noted yet.
    #[schema(value_type = Option<u64>)]
    created_at: Option<UnixSeconds>,
    /// The last sign-in that was completed in it.
    #[schema(value_type = Option<u64>)]
    last_used: Option<UnixSeconds>,
    #[schema(value_type = u64)]
    expires_at: UnixSeconds,
    /// Whether it is the one that asks.
    current: bool,
}

/// The account's known browsers, the one used last in front.
#[utoipa::path(
    get,
    path = "/api/browsers",
    tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "Known browsers", body = Vec<Known>), InSession, Enrolled, Always)
)]
pub(super) async fn browsers(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    let browsers = match service.browsers(&live).await {
        Err(failure) => return answer::failed(&failure),
        Ok(browsers) => browsers,
    };
    let known = browsers.iter().map(|(id, browser)| Known {
        id: id.short(),
        agent: &browser.agent,
        network: &browser.network,
        created_at: browser.created_at,
        last_used: browser.last_used,
        expires_at: browser.expires_at,
        current: Some(*id) == origin.browser,
    });
    Json(known.collect::<Vec<_>>()).into_response()
}

/// How many browsers were forgotten.
#[derive(Serialize, ToSchema)]
struct Forgotten {
    status: &'static str,
    forgotten: usize,
}

impl Forgotten {
    fn answer(forgotten: usize) -> Response {
        let status = "success";
        Json(Forgotten { status, forgotten }).into_response()
    }
}

/// Forgets a browser: it is a stranger from now on. Sessions in it go on.
#[utoipa::path(
    delete,
    path = "/api/browsers/{id}",
    tag = "account",
    security(("session" = [])),
    params(("id" = String, Path, pattern = "^[0-9a-f]{8}$")),
    responses((status = 200, description = "It is forgotten", body = Forgotten), InSession, Enrolled, Missing, Always)
)]
pub(super) async fn forget(
    State(service): State<Shared>,
    Id(id): Id,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.forget_browsers(&live, Which::One(id), &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(0) => answer::problem(
            StatusCode::NOT_FOUND,
            "no_browser",
            "There is no such browser",
            "GET /api/browsers lists them",
        ),
        Ok(forgotten) => Forgotten::answer(forgotten),
    }
}

/// Forgets every browser.
#[utoipa::path(
    post,
    path = "/api/browsers/forget-all",
    tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "They are forgotten", body = Forgotten), InSession, Enrolled, Always)
)]
pub(super) async fn forget_all(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.forget_browsers(&live, Which::All, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(forgotten) => Forgotten::answer(forgotten),
    }
}
