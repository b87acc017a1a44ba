//! An application to try step-up on, served in the development profile alone.
//!
//! Knows: the routes of the step-up guide that older clients were written by, and what each demands. Must never know:
//! how a demand is judged; that is `countersign_core::elevation`, as in every guard.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use countersign_core::elevation::{Demand, judge};
use serde_json::json;

use super::asked::bearer;
use super::step_up::{STEP_UP_URL, owed};
use super::{Shared, answer};
use crate::service::elevation::Identified;

/// The routes, each with its demand.
pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/payment/transfer", post(transfer))
}

async fn transfer(State(service): State<Shared>, Somebody(identified): Somebody) -> Response {
    guarded(&service, &identified, &Demand::ELEVATED, || {
        Json(json!({ "status": "transfer initiated" })).into_response()
    })
}

/// Does what was asked when its demand is met.
fn guarded(
    service: &Shared,
    identified: &Identified,
    demand: &Demand,
    granted: impl FnOnce() -> Response,
) -> Response {
    let verdict = judge(&identified.standing(), demand, identified.now);
    let elevation_s = service.policy().elevation_s;
    owed(verdict, demand, StatusCode::FORBIDDEN, STEP_UP_URL, elevation_s).unwrap_or_else(granted)
}

/// Whoever shows a session's token or an elevated one.
struct Somebody(Identified);

impl FromRequestParts<Shared> for Somebody {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Somebody, Response> {
        let Some(token) = bearer(&parts.headers) else {
            return Err(nobody("Bearer"));
        };
        match service.identify(None, token).await {
            Err(failure) => Err(answer::failed(&failure)),
            Ok(Some(identified)) => Ok(Somebody(identified)),
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
