//! Whether the server lives, and whether it can serve.
//!
//! Knows: two questions. Must never know: anything an answer could give away.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{Shared, answer};

/// It lives: it answers.
pub(super) async fn alive() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ok\n")
}

/// It can serve: clock and store are sound; otherwise it says which is not.
pub(super) async fn ready(State(service): State<Shared>) -> Response {
    match service.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n").into_response(),
        Err(failure) => answer::failed(&failure),
    }
}
