//! What a page's request shows: a session by cookie, a form.
//!
//! Knows: how to refuse what can't be read without repeating it, and which sessions may go where. Must never
//! know: what a form asks for.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::cookies;
use super::frame::{Problem, failed, message, onward, to_sign_in};
use crate::door::http::Shared;
use crate::door::http::asked::cookie;
use crate::service::Live;

/// A live session, shown by cookie; one factor is enough. Everybody else is sent to the sign-in.
pub(super) struct Arrived(pub(super) Live);

impl FromRequestParts<Shared> for Arrived {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Arrived, Response> {
        let token = cookie(&parts.headers, cookies::SESSION).ok_or_else(to_sign_in)?;
        let live = service.session(token).await.map_err(|failure| failed(&failure))?;
        live.map(Arrived).ok_or_else(to_sign_in)
    }
}

/// A live session that may do everything its account may; one that must enrol first is sent there.
pub(super) struct Settled(pub(super) Live);

impl FromRequestParts<Shared> for Settled {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Settled, Response> {
        let Arrived(live) = Arrived::from_request_parts(parts, service).await?;
        if service.must_enrol(&live) {
            return Err(onward("/enrol"));
        }
        Ok(Settled(live))
    }
}

/// A form of a known shape, as a browser posts it.
///
/// # Security
/// What could not be read is never repeated: it may be a password.
pub(super) struct Form<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Form<T>, Response> {
        let read = axum::Form::<T>::from_request(request, state).await;
        read.map(|form| Form(form.0)).map_err(|rejection| {
            let status = rejection.into_response().status();
            unreadable(status)
        })
    }
}

fn unreadable(status: StatusCode) -> Response {
    let (status, text) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => (status, "The form is too long."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (status, "This address takes a form."),
        _ => (
            StatusCode::BAD_REQUEST,
            "A field of the form is missing or can't be read.",
        ),
    };
    message("That can't be read", Problem::of(status, "", text))
}
