//! The cookies of the pages.
//!
//! Knows: names and attributes. Must never know: what a token opens. Every name begins with `__Host-`, so a
//! browser takes it only over a secure connection, for this very host and all of its paths.

use std::fmt::Display;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use countersign_auth::command::SignedIn;
use countersign_auth::id::{SessionToken, Token};
use countersign_auth::policy::{NUMBER_S, REDEEM_S};
use zeroize::Zeroizing;

use crate::door::http::sign_in::browser_cookie;

/// Opens a session.
pub(in super::super) const SESSION: &str = "__Host-cs_session";
/// Answers for a sign-in that owes a code.
pub(super) const CHALLENGE: &str = "__Host-cs_challenge";
/// Answers for a wish to be stepped up by another session.
pub(super) const NUMBER: &str = "__Host-cs_number";

/// Stands for a recovery whose proofs were accepted.
pub(super) const RECOVERY: &str = "__Host-cs_recovery";
/// Binds a sign-in at a protected host to the browser that began it.
pub(in super::super) const BEGIN: &str = "__Host-cs_begin";
/// Remembers which protected host somebody was on the way to.
pub(super) const NEXT: &str = "__Host-cs_next";

/// How long somebody may take to sign in for a protected host.
const WAY_S: u32 = 600;

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

/// Puts a session's new token in the place of the one before it.
pub(super) fn renew(mut response: Response, token: &SessionToken, expires_in_s: u32) -> Response {
    put(&mut response, SESSION, token.expose(), "Lax", expires_in_s);
    response
}

/// Binds a wish to be stepped up to this browser.
pub(super) fn number(mut response: Response, token: &Token) -> Response {
    let kept_s = u32::try_from(NUMBER_S + REDEEM_S).unwrap_or(u32::MAX);
    put(&mut response, NUMBER, token.expose(), "Strict", kept_s);
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

/// Opens a session by a token of it, at Countersign or at a protected host.
pub(in super::super) fn open_with(response: &mut Response, token: &SessionToken, expires_in_s: u64) {
    put(response, SESSION, token.expose(), "Lax", expires_in_s);
}

/// Binds a sign-in at a protected host to this browser.
pub(in super::super) fn begin(response: &mut Response, token: &Token) {
    put(response, BEGIN, token.expose(), "Lax", WAY_S);
}

/// Remembers where somebody is on the way to, in a query of escapes, digits and letters.
pub(super) fn remember(mut response: Response, way: &str) -> Response {
    put(&mut response, NEXT, way, "Lax", WAY_S);
    response
}

fn put(response: &mut Response, name: &str, token: &str, same_site: &str, max_age_s: impl Display) {
    let text = Zeroizing::new(format!(
        "{name}={token}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={max_age_s}"
    ));
    let mut value = HeaderValue::from_str(&text).expect("tokens and queries are printable");
    value.set_sensitive(true);
    response.headers_mut().append(header::SET_COOKIE, value);
}

/// Takes a cookie away.
pub(in super::super) fn drop(mut response: Response, name: &'static str) -> Response {
    let is_strict = [CHALLENGE, RECOVERY, NUMBER].contains(&name);
    let same_site = if is_strict { "Strict" } else { "Lax" };
    let text = format!("{name}=; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age=0");
    let value = HeaderValue::from_str(&text).expect("a name and attributes are printable");
    response.headers_mut().append(header::SET_COOKIE, value);
    response
}
