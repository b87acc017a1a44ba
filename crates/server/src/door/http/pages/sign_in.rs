//! Signing in and out, and the set-up that comes before the first time.
//!
//! Knows: the forms. Must never know: which of name, password or code was wrong.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use countersign_auth::command::SignedIn;
use countersign_auth::command::code::Verified;
use countersign_auth::command::password::Finished;
use countersign_auth::command::session::Which;
use countersign_auth::command::ticket::NotRedeemed;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::visitor::{Enrolling, Posted, challenge, challenge_cookie, forget, session_cookie};
use super::{CODE_MALFORMED, CODE_REFUSED, failed, page, see_other, wait_text, with_cookie, with_header};
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::door::http::sign_in::browser_cookie;
use crate::service::NotSet;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    problem: &'a str,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'a> {
    problem: &'a str,
}

#[derive(Template)]
#[template(path = "replacement.html")]
struct ReplacementPage<'a> {
    code: &'a str,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage<'a> {
    problem: &'a str,
    ticket: &'a str,
    username: &'a str,
    chars_min: usize,
}

/// A name and a password.
#[derive(Deserialize)]
pub(super) struct Password {
    username: String,
    password: Zeroizing<String>,
}

/// A code.
#[derive(Deserialize)]
pub(super) struct Code {
    code: Zeroizing<String>,
}

impl Code {
    /// What was typed.
    pub(super) fn code(&self) -> &str {
        &self.code
    }
}

/// A ticket and the password it sets.
#[derive(Deserialize)]
pub(super) struct SetUp {
    ticket: Zeroizing<String>,
    username: String,
    password: Zeroizing<String>,
}

/// `GET /sign-in`.
pub(super) async fn form() -> Response {
    page(StatusCode::OK, &SignInPage { problem: "" })
}

/// `POST /sign-in`.
pub(super) async fn password(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Posted(form): Posted<Password>,
) -> Response {
    let refused = || {
        let problem = "That did not work. Check name and password.";
        page(StatusCode::UNAUTHORIZED, &SignInPage { problem })
    };
    match service.sign_in(&form.username, &form.password, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Err(_) | Ok(Finished::Refused | Finished::Stale)) => refused(),
        Ok(Ok(Finished::Throttled { retry_after_s })) => {
            let problem = wait_text(retry_after_s);
            let response = page(StatusCode::TOO_MANY_REQUESTS, &SignInPage { problem: &problem });
            with_header(
                response,
                header::RETRY_AFTER,
                Some(HeaderValue::from(retry_after_s)),
            )
        }
        Ok(Ok(Finished::CodeDue {
            challenge,
            expires_in_s,
        })) => with_cookie(
            see_other("/sign-in/code"),
            challenge_cookie(challenge.expose(), expires_in_s),
        ),
        Ok(Ok(Finished::SignedIn(signed_in))) => entered(&signed_in),
    }
}

/// `GET /sign-in/code`.
pub(super) async fn code_form(headers: HeaderMap) -> Response {
    match challenge(&headers) {
        None => see_other("/sign-in"),
        Some(_) => page(StatusCode::OK, &CodePage { problem: "" }),
    }
}

/// `POST /sign-in/code`.
pub(super) async fn code(
    State(service): State<Shared>,
    Asked(origin): Asked,
    headers: HeaderMap,
    Posted(form): Posted<Code>,
) -> Response {
    let Some(challenge) = challenge(&headers) else {
        return see_other("/sign-in");
    };
    let again = |status, problem: &str| page(status, &CodePage { problem });
    match service.verify(challenge, &form.code, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Verified::SignedIn(signed_in)) => entered(&signed_in),
        Ok(Verified::Refused) => again(StatusCode::UNAUTHORIZED, CODE_REFUSED),
        Ok(Verified::Malformed) => again(StatusCode::BAD_REQUEST, CODE_MALFORMED),
        Ok(Verified::ClockNotSet) => again(StatusCode::SERVICE_UNAVAILABLE, "The server's clock is not set."),
        Ok(Verified::Throttled { retry_after_s }) => {
            let response = again(StatusCode::TOO_MANY_REQUESTS, &wait_text(retry_after_s));
            with_header(
                response,
                header::RETRY_AFTER,
                Some(HeaderValue::from(retry_after_s)),
            )
        }
        Ok(Verified::NoChallenge) => {
            let problem = "That sign-in is over. Begin again.";
            page(StatusCode::UNAUTHORIZED, &SignInPage { problem })
        }
    }
}

/// Sends a browser on with its new session; a backup code that replaces a used one is shown first.
pub(super) fn entered(signed_in: &SignedIn) -> Response {
    let response = match &signed_in.replacement_code {
        Some(code) => page(StatusCode::OK, &ReplacementPage { code }),
        None if signed_in.must_enrol => see_other("/enrol"),
        None => see_other("/account"),
    };
    let [_, no_challenge] = forget();
    let cookies = [no_challenge, session_cookie(signed_in), browser_cookie(signed_in)];
    cookies.into_iter().fold(response, with_cookie)
}

/// `POST /sign-out`.
pub(super) async fn sign_out(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Enrolling(live): Enrolling,
    Posted(()): Posted<()>,
) -> Response {
    match service.end_sessions(&live, Which::Own, &origin).await {
        Err(failure) => failed(&failure),
        Ok(_) => forget().into_iter().fold(see_other("/sign-in"), with_cookie),
    }
}

/// `GET /setup`.
pub(super) async fn setup(State(service): State<Shared>) -> Response {
    let chars_min = service.policy().password_chars_min();
    page(
        StatusCode::OK,
        &SetupPage {
            problem: "",
            ticket: "",
            username: "",
            chars_min,
        },
    )
}

/// `POST /setup`.
pub(super) async fn set_up(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Posted(form): Posted<SetUp>,
) -> Response {
    let outcome = service
        .redeem_ticket(&form.ticket, &form.username, &form.password, &origin)
        .await;
    let (status, problem) = match outcome {
        Err(failure) => return failed(&failure),
        Ok(Ok(signed_in)) => return entered(&signed_in),
        Ok(Err(NotSet::Password(problem))) => (StatusCode::BAD_REQUEST, format!("Not set: {problem}.")),
        Ok(Err(NotSet::Name(error))) => (StatusCode::BAD_REQUEST, format!("Not set: {error}.")),
        Ok(Err(NotSet::Ticket(NotRedeemed::NameTaken))) => (
            StatusCode::CONFLICT,
            "There is an account of this name already.".into(),
        ),
        Ok(Err(NotSet::Ticket(NotRedeemed::NoTicket))) => (
            StatusCode::UNAUTHORIZED,
            "This ticket is unknown, over or used. Ask for a new link.".into(),
        ),
    };
    let chars_min = service.policy().password_chars_min();
    page(
        status,
        &SetupPage {
            problem: &problem,
            ticket: &form.ticket,
            username: &form.username,
            chars_min,
        },
    )
}
