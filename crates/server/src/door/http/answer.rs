//! Answers that say what is wrong: RFC 9457 problems, and the older shape where older clients expect it.
//!
//! Knows: statuses, and how little a stranger is told. Must never know: reasons that only the audit may name.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::Failure;

/// A problem as RFC 9457 spells it, with a code that programs can rely on.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

/// Says what is wrong as `application/problem+json`.
pub(super) fn problem(status: StatusCode, code: &str, title: &str, detail: &str) -> Response {
    let body = Problem {
        kind: "about:blank",
        title,
        status: status.as_u16(),
        code,
        detail,
    };
    let mut response = (status, Json(body)).into_response();
    let media = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Adds how long to wait.
pub(super) fn retry_after(mut response: Response, seconds: u32) -> Response {
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The service could not decide: never "refused", and never a word about what it was asked.
pub(super) fn failed(failure: &Failure) -> Response {
    let (status, code, title) = match failure {
        Failure::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too much is being asked at once",
        ),
        Failure::Stopping => (
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "The server is stopping",
        ),
        Failure::Clock(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "clock",
            "The server's clock can't be believed",
        ),
        Failure::Store(_) | Failure::Ring(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "store",
            "The server's store can't be used",
        ),
        Failure::Fault(_) | Failure::Internal => {
            return problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The server has a fault; its log says which",
                "",
            );
        }
    };
    retry_after(problem(status, code, title, ""), 5)
}

/// A client's fault in the form of what it sent.
pub(super) fn bad_request(code: &str, detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, code, "The request can't be used", detail)
}

/// No such path.
pub(super) async fn not_found() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this path",
        "",
    )
}

/// Another method is wanted.
pub(super) async fn wrong_method() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "This path takes another method",
        "",
    )
}

/// The request was not finished in time.
pub(super) fn too_slow() -> Response {
    problem(
        StatusCode::REQUEST_TIMEOUT,
        "too_slow",
        "The request took too long",
        "",
    )
}

/// An error in the shape that clients of the older sign-in API read, with a code beside its message.
#[derive(Serialize, ToSchema)]
pub(super) struct Plain<'a> {
    status: &'a str,
    message: &'a str,
    code: &'a str,
}

/// An error in the shape that clients of the older sign-in API read.
pub(super) fn plain_error(status: StatusCode, code: &str, message: &str) -> Response {
    let mut response = (
        status,
        Json(Plain {
            status: "error",
            message,
            code,
        }),
    )
        .into_response();
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// One answer for every budget that has no room.
pub(super) fn throttled(retry_after_s: u32) -> Response {
    let message = "Account temporarily locked";
    retry_after(
        plain_error(StatusCode::TOO_MANY_REQUESTS, "throttled", message),
        retry_after_s,
    )
}
