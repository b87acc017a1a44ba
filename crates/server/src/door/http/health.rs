//! Whether the server lives, and whether it can serve.
//!
//! Knows: two questions. Must never know: anything an answer could give away.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::openapi::Always;
use super::{Shared, answer};

/// It lives: it answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    responses((status = 200, description = "It lives", body = str, content_type = "text/plain"), Always)
)]
pub(super) async fn alive() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ok\n")
}

/// It can serve: clock and store are sound and decisions are made; otherwise it says what is wrong.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses((status = 200, description = "It can serve", body = str, content_type = "text/plain"), Always)
)]
pub(super) async fn ready(State(service): State<Shared>) -> Response {
    match service.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n").into_response(),
        Err(failure) => answer::failed(&failure),
    }
}
