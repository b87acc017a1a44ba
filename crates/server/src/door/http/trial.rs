//! An application to try step-up on, served in the development profile alone.
//!
//! Knows: the routes of the step-up guide that older clients were written by, and what each demands. Must never know:
//! how a demand is judged; that is `countersign_core::elevation`, as in every guard.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use countersign_auth::claim::ClaimValue;
use countersign_auth::event::{Act, Ending, Event, Origin};
use countersign_core::elevation::{Demand, judge};
use serde_json::{Value, json};

use super::asked::{Asked, bearer};
use super::forward::no_claim;
use super::step_up::{STEP_UP_URL, owed};
use super::{Shared, answer};
use crate::service::elevation::Identified;

/// The claim of whoever publishes.
const PUBLISHER: &str = "publisher";

/// The routes, each with its demand.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/payment/transfer", post(transfer))
        .route("/publisher/earnings", delete(withdraw))
        .route("/api/publisher/dashboard", get(dashboard))
}

async fn transfer(State(service): State<Shared>, somebody: Somebody) -> Response {
    guarded(
        &service,
        somebody,
        None,
        json!({ "status": "transfer initiated" }),
    )
    .await
}

async fn withdraw(State(service): State<Shared>, somebody: Somebody) -> Response {
    guarded(&service, somebody, Some(PUBLISHER), json!({ "withdrawn": true })).await
}

async fn dashboard(State(service): State<Shared>, somebody: Somebody) -> Response {
    let figures = json!({ "dashboard": "publisher", "earnings": 0 });
    guarded(&service, somebody, Some(PUBLISHER), figures).await
}

/// Gives what was asked for to whoever has the claim and is elevated.
async fn guarded(service: &Shared, somebody: Somebody, claim: Option<&str>, given: Value) -> Response {
    let Somebody { identified, origin } = somebody;
    let session = &identified.live.session;
    let wanted = ClaimValue::Bool(true);
    if let Some(name) = claim.filter(|name| session.claims.get(*name) != Some(&wanted)) {
        return no_claim(name, &wanted);
    }
    if service.policy().skip_elevation {
        let event = Event::about(Act::ElevationSkip, Ending::Success, &session.account, &origin);
        return match service.note(vec![event]).await {
            Ok(()) => Json(given).into_response(),
            Err(failure) => answer::failed(&failure),
        };
    }
    let verdict = judge(&identified.standing(), &Demand::ELEVATED, identified.now);
    let elevation_s = service.policy().elevation_s;
    owed(
        verdict,
        &Demand::ELEVATED,
        StatusCode::FORBIDDEN,
        STEP_UP_URL,
        elevation_s,
    )
    .unwrap_or_else(|| Json(given).into_response())
}

/// Whoever shows a session's token or an elevated one.
struct Somebody {
    identified: Identified,
    origin: Origin,
}

impl FromRequestParts<Shared> for Somebody {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Somebody, Response> {
        let Asked(origin) = Asked::from_request_parts(parts, service).await?;
        let Some(token) = bearer(&parts.headers) else {
            return Err(nobody("Bearer"));
        };
        match service.identify(None, token).await {
            Err(failure) => Err(answer::failed(&failure)),
            Ok(Some(identified)) => Ok(Somebody { identified, origin }),
            Ok(None) => Err(nobody("Bearer error=\"invalid_token\"")),
        }
    }
}

fn nobody(challenge: &'static str) -> Response {
    let body = Json(json!({ "error": "authentication required" }));
    let mut response = (StatusCode::UNAUTHORIZED, body).into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
