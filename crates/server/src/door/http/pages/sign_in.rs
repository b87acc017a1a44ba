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
use countersign_auth::name::Name;
use countersign_auth::policy::SecondFactor;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::account::Done;
use super::asked::{Arrived, Form};
use super::browsers::Remember;
use super::cookies;
use super::frame::{Frame, Problem, failed, once, onward, show, to_sign_in};
use super::replacement::ReplacementPage;
use super::texting::Texting;
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
    /// Whether this form may complete a sign-in, so that it asks whether to remember the browser.
    completes: bool,
    remember: bool,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    frame: Frame,
    backup: bool,
    remember: bool,
}

/// A name and a password.
#[derive(Deserialize)]
pub(super) struct Password {
    username: String,
    password: Zeroizing<String>,
    #[serde(default)]
    remember: Remember,
}

/// A code, or a backup code.
#[derive(Deserialize)]
pub(super) struct Code {
    code: Zeroizing<String>,
    #[serde(default)]
    remember: Remember,
}

/// Which kind of code is asked for, and what was just done; any text, so that no address is an error.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    with: String,
    #[serde(flatten)]
    done: Done,
}

/// `GET /sign-in`.
pub(super) async fn ask_password(State(service): State<Shared>) -> Response {
    password_page(&service, String::new(), true, None)
}

fn password_page(service: &Shared, name: String, remember: bool, problem: Option<Problem>) -> Response {
    let page = PasswordPage {
        frame: Frame::default().with(problem),
        name,
        completes: service.policy().second_factor != SecondFactor::Required,
        remember,
    };
    show(&page, &page.frame)
}

/// `POST /sign-in`.
pub(super) async fn take_password(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    Form(form): Form<Password>,
) -> Response {
    origin.remember = form.remember.is_wished();
    let problem = match service.sign_in(&form.username, &form.password, &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Ok(Finished::Onward(next))) => return lead(&next),
        Ok(Ok(Finished::Throttled { retry_after_s })) => Problem::throttled(retry_after_s),
        Ok(Ok(Finished::Refused | Finished::Stale)) => {
            Problem::of(StatusCode::UNAUTHORIZED, "password", REFUSED)
        }
        Ok(Err(error)) => Problem::of(StatusCode::BAD_REQUEST, "username", error),
    };
    password_page(&service, form.username, form.remember.is_wished(), Some(problem))
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
pub(super) async fn ask_code(
    State(service): State<Shared>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response {
    let Some(challenge) = cookie(&headers, cookies::CHALLENGE) else {
        return onward("/sign-in");
    };
    let frame = Frame::default().after(wanted.done.text());
    code_page(&service, challenge, frame, (wanted.with == "backup", true)).await
}

async fn code_page(
    service: &Shared,
    challenge: &str,
    frame: Frame,
    (backup, remember): (bool, bool),
) -> Response {
    let can_ask = match service.can_ask_code_for(challenge).await {
        Err(failure) => return failed(&failure),
        Ok(can_ask) => can_ask,
    };
    let page = CodePage {
        frame: frame.texting(can_ask.then(Texting::for_sign_in)),
        backup,
        remember,
    };
    show(&page, &page.frame)
}

/// `POST /sign-in/code`.
pub(super) async fn take_code(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    headers: HeaderMap,
    Form(form): Form<Code>,
) -> Response {
    origin.remember = form.remember.is_wished();
    let Some(challenge) = cookie(&headers, cookies::CHALLENGE) else {
        return begin_again(&service);
    };
    let problem = match service.verify(challenge, &form.code, &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Verified::SignedIn(signed_in)) => return entered(&signed_in),
        Ok(Verified::NoChallenge) => return begin_again(&service),
        Ok(Verified::Refused) => Problem::code_refused(),
        Ok(Verified::Malformed) => Problem::code_malformed(),
        Ok(Verified::Throttled { retry_after_s }) => Problem::throttled(retry_after_s),
        Ok(Verified::ClockNotSet) => Problem::clock_not_set(),
    };
    let frame = Frame::default().with(Some(problem));
    code_page(&service, challenge, frame, (false, form.remember.is_wished())).await
}

pub(super) fn begin_again(service: &Shared) -> Response {
    let problem = Problem::of(StatusCode::UNAUTHORIZED, "", TOO_LATE);
    cookies::drop(
        password_page(service, String::new(), true, Some(problem)),
        cookies::CHALLENGE,
    )
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
pub(super) fn replacement(name: &Name, code: &str) -> Response {
    let page = ReplacementPage {
        frame: Frame::named(name),
        title: "You are signed in",
        code,
        to: "/account",
    };
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
