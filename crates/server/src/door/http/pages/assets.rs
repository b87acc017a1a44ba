//! Style and script, part of the binary, under names that change with this version, so that they may be kept
//! for long.
//!
//! Knows: two files. Must never know: anything about who asks.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Where the style is served.
pub(in crate::door::http) const STYLE_PATH: &str = concat!("/assets/", env!("CARGO_PKG_VERSION"), "/app.css");
/// Where the script is served.
pub(in crate::door::http) const SCRIPT_PATH: &str = concat!("/assets/", env!("CARGO_PKG_VERSION"), "/app.js");

pub(super) async fn style() -> Response {
    asset(
        "text/css; charset=utf-8",
        include_str!("../../../../pages/app.css"),
    )
}

pub(super) async fn script() -> Response {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("../../../../pages/app.js"),
    )
}

fn asset(media: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, text).into_response()
}
