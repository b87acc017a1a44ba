//! The way in and out: name and password, then a code; and the sign-out.
//!
//! Knows: two forms and two cookies. Must never know: which of name and password was wrong, or what was wrong
//! with a code.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countersign_auth::command::code::Verified;
use countersign_auth::command::password::Finished;
use countersign_auth::command::session::Which;
use countersign_auth::command::{Onward, SignedIn};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::asked::{Arrived, Form};
use super::cookies;
use super::frame::{Frame, Problem, failed, once, onward, show, to_sign_in};
use crate::door::http::Shared;
use crate::door::http::asked::{Asked, cookie};

/// One sentence for an unknown name, a wrong password and a disabled account.
const REFUSED: &str = "That did not work. Check name and password.";
/// The challenge is over, dead or somebody else's.
const TOO_LATE: &str = "That sign-in is over. Begin again.";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct PasswordPage {
    frame: Frame,
    name: String,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    frame: Frame,
    backup: bool,
}

#[derive(Template)]
#[template(path = "replacement.html")]
struct ReplacementPage<'a> {
    frame: Frame,
    code: &'a str,
}

/// A name and a password.
#[derive(Deserialize)]
pub(super) struct Password {
    username: String,
    password: Zeroizing<String>,
}

/// A code, or a backup code.
#[derive(Deserialize)]
pub(super) struct Code {
    code: Zeroizing<String>,
}

/// Which kind of code is asked for; any text, so that no address is an error.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    with: String,
}

/// `GET /sign-in`.
pub(super) async fn ask_password() -> Response {
    password_page(String::new(), None)
}

fn password_page(name: String, problem: Option<Problem>) -> Response {
    let frame = Frame::default().with(problem);
    let page = PasswordPage { frame, name };
    show(&page, &page.frame)
}

/// `POST /sign-in`.
pub(super) async fn take_password(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Form(form): Form<Password>,
) -> Response {
    let problem = match service.sign_in(&form.username, &form.password, &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Ok(Finished::Onward(next))) => return lead(&next),
        Ok(Ok(Finished::Throttled { retry_after_s })) => Problem::throttled(retry_after_s),
        Ok(Ok(Finished::Refused | Finished::Stale)) => {
            Problem::of(StatusCode::UNAUTHORIZED, "password", REFUSED)
        }
        Ok(Err(error)) => Problem::of(StatusCode::BAD_REQUEST, "username", error),
    };
    password_page(form.username, Some(problem))
}

/// Asks for the code that is due, or opens the session.
pub(super) fn lead(next: &Onward) -> Response {
    match next {
        Onward::CodeDue {
            challenge,
            expires_in_s,
        } => cookies::challenge(onward("/sign-in/code"), challenge, *expires_in_s),
        Onward::SignedIn(signed_in) => settle(signed_in),
    }
}

/// Leads a fresh session to where it may go.
pub(super) fn settle(signed_in: &SignedIn) -> Response {
    let path = if signed_in.must_enrol {
        "/enrol"
    } else {
        "/account"
    };
    cookies::open(onward(path), signed_in)
}

/// `GET /sign-in/code`.
pub(super) async fn ask_code(headers: HeaderMap, Query(wanted): Query<Wanted>) -> Response {
    if cookie(&headers, cookies::CHALLENGE).is_none() {
        return onward("/sign-in");
    }
    code_page(wanted.with == "backup", None)
}

fn code_page(backup: bool, problem: Option<Problem>) -> Response {
    let frame = Frame::default().with(problem);
    let page = CodePage { frame, backup };
    show(&page, &page.frame)
}

/// `POST /sign-in/code`.
pub(super) async fn take_code(
    State(service): State<Shared>,
    Asked(origin): Asked,
    headers: HeaderMap,
    Form(form): Form<Code>,
) -> Response {
    let Some(challenge) = cookie(&headers, cookies::CHALLENGE) else {
        return begin_again();
    };
    let problem = match service.verify(challenge, &form.code, &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Verified::SignedIn(signed_in)) => return entered(&signed_in),
        Ok(Verified::NoChallenge) => return begin_again(),
        Ok(Verified::Refused) => Problem::code_refused(),
        Ok(Verified::Malformed) => Problem::code_malformed(),
        Ok(Verified::Throttled { retry_after_s }) => Problem::throttled(retry_after_s),
        Ok(Verified::ClockNotSet) => Problem::clock_not_set(),
    };
    code_page(false, Some(problem))
}

fn begin_again() -> Response {
    let problem = Problem::of(StatusCode::UNAUTHORIZED, "", TOO_LATE);
    cookies::drop(password_page(String::new(), Some(problem)), cookies::CHALLENGE)
}

/// Opens the session; a backup code that replaces the one just used is shown on the way.
fn entered(signed_in: &SignedIn) -> Response {
    let response = match &signed_in.replacement_code {
        None => settle(signed_in),
        Some(code) => cookies::open(replacement(&signed_in.name, code), signed_in),
    };
    cookies::drop(response, cookies::CHALLENGE)
}

/// A page that shows a backup code issued in place of a used one, once.
pub(super) fn replacement(name: &impl ToString, code: &str) -> Response {
    let frame = Frame::of(name, "");
    let page = ReplacementPage { frame, code };
    once(show(&page, &page.frame))
}

/// `POST /sign-out`.
pub(super) async fn sign_out(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Arrived(live): Arrived,
) -> Response {
    match service.end_sessions(&live, Which::Own, &origin).await {
        Ok(_) => to_sign_in(),
        Err(failure) => failed(&failure),
    }
}
