//! The cookies of the pages.
//!
//! Knows: names and attributes. Must never know: what a token opens. Every name begins with `__Host-`, so a
//! browser takes it only over a secure connection, for this very host and all of its paths.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use countersign_auth::command::SignedIn;
use countersign_auth::id::Token;
use zeroize::Zeroizing;

use crate::door::http::sign_in::browser_cookie;

/// Opens a session.
pub(super) const SESSION: &str = "__Host-cs_session";
/// Answers for a sign-in that owes a code.
pub(super) const CHALLENGE: &str = "__Host-cs_challenge";

/// Stands for a recovery whose proofs were accepted.
pub(super) const RECOVERY: &str = "__Host-cs_recovery";

/// Opens the session in this browser, and makes the browser known.
pub(super) fn open(mut response: Response, signed_in: &SignedIn) -> Response {
    put(
        &mut response,
        SESSION,
        signed_in.session.expose(),
        "Lax",
        signed_in.expires_in_s,
    );
    if let Some(cookie) = browser_cookie(signed_in) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Binds a challenge to this browser.
pub(super) fn challenge(mut response: Response, token: &Token, expires_in_s: u32) -> Response {
    put(&mut response, CHALLENGE, token.expose(), "Strict", expires_in_s);
    response
}

/// Binds a recovery to this browser, by the text of its token. One that was accepted is the hexadecimal digits we drew;
/// anything else is no cookie.
pub(super) fn recovery(mut response: Response, token: &str, expires_in_s: u32) -> Response {
    if token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        put(&mut response, RECOVERY, token, "Strict", expires_in_s);
    }
    response
}

fn put(response: &mut Response, name: &str, token: &str, same_site: &str, max_age_s: u32) {
    let text = Zeroizing::new(format!(
        "{name}={token}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={max_age_s}"
    ));
    let mut value = HeaderValue::from_str(&text).expect("a token is hexadecimal digits");
    value.set_sensitive(true);
    response.headers_mut().append(header::SET_COOKIE, value);
}

/// Takes a cookie away.
pub(super) fn drop(mut response: Response, name: &'static str) -> Response {
    let same_site = if name == SESSION { "Lax" } else { "Strict" };
    let text = format!("{name}=; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age=0");
    let value = HeaderValue::from_str(&text).expect("a name and attributes are printable");
    response.headers_mut().append(header::SET_COOKIE, value);
    response
}
