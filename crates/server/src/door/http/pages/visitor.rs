//! Who looks at a page, and what a form brought.
//!
//! Knows: cookies, and that a form must come from one of our own pages. Must never know: what is in the form.

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use countersign_auth::command::SignedIn;
use serde::de::DeserializeOwned;

use super::{failed, plain, see_other};
use crate::door::http::Shared;
use crate::door::http::asked::cookie;
use crate::service::Live;

/// The cookie that carries a session's token.
const SESSION_COOKIE: &str = "__Host-cs_session";
/// The cookie that carries an open challenge.
const CHALLENGE_COOKIE: &str = "__Host-cs_challenge";

/// A live session, which may be one that owes its second factor.
pub(super) struct Enrolling(pub(super) Live);

/// A live session that may do everything its account may.
pub(super) struct Owner(pub(super) Live);

impl FromRequestParts<Shared> for Enrolling {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Enrolling, Response> {
        let Some(token) = cookie(&parts.headers, SESSION_COOKIE) else {
            return Err(see_other("/sign-in"));
        };
        let live = service.session(token).await.map_err(|failure| failed(&failure))?;
        live.map(Enrolling).ok_or_else(|| see_other("/sign-in"))
    }
}

impl FromRequestParts<Shared> for Owner {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Owner, Response> {
        let Enrolling(live) = Enrolling::from_request_parts(parts, service).await?;
        if service.must_enrol(&live) {
            Err(see_other("/enrol"))
        } else {
            Ok(Owner(live))
        }
    }
}

/// A form of one of our own pages.
///
/// # Security
/// A form that another site made the browser send is refused: by `Sec-Fetch-Site` where the browser says it,
/// by `Origin` against `Host` where it does not. Nothing of what a form held is repeated.
pub(super) struct Posted<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Posted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, service: &Shared) -> Result<Posted<T>, Response> {
        if !is_own(request.headers()) {
            let text = "The form was sent by another site and was not looked at. Open the page itself and try again.";
            return Err(plain(StatusCode::FORBIDDEN, "Not from here", text));
        }
        let form = Form::from_request(request, service).await;
        form.map(|Form(form)| Posted(form)).map_err(|_| {
            let text = "The form was not complete, or something in it was too long. Go back and try again.";
            plain(StatusCode::BAD_REQUEST, "That form can't be used", text)
        })
    }
}

fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match (headers.get(header::ORIGIN), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, from)| from == host),
        (Some(_), None) => false,
    }
}

/// The open challenge a browser holds.
pub(super) fn challenge(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, CHALLENGE_COOKIE)
}

/// Gives the browser its challenge to hold.
pub(super) fn challenge_cookie(token: &str, seconds: u32) -> Option<HeaderValue> {
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Strict";
    sensitive(&format!(
        "{CHALLENGE_COOKIE}={token}; {attributes}; Max-Age={seconds}"
    ))
}

/// Gives the browser its session to hold; when it ends is the server's business, not the cookie's.
pub(super) fn session_cookie(signed_in: &SignedIn) -> Option<HeaderValue> {
    let token = signed_in.session.expose();
    sensitive(&format!(
        "{SESSION_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"
    ))
}

/// Takes session and challenge from the browser.
pub(super) fn forget() -> [Option<HeaderValue>; 2] {
    let gone = "Path=/; Secure; HttpOnly; Max-Age=0";
    [SESSION_COOKIE, CHALLENGE_COOKIE].map(|name| sensitive(&format!("{name}=; {gone}")))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn form_of_another_site_is_not_our_own() {
        for (pairs, own) in [
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("origin", "https://a.example"), ("host", "a.example")], true),
            (
                vec![("origin", "https://b.example"), ("host", "a.example")],
                false,
            ),
            (vec![("origin", "null"), ("host", "a.example")], false),
            (vec![("host", "a.example")], true),
        ] {
            assert_eq!(is_own(&headers(&pairs)), own, "{pairs:?}");
        }
    }
}
