//! Adding an authenticator: a picture to scan, codes to keep, a code to type.
//!
//! Knows: what is shown once, in the answer that makes it. Must never know: the secret a second time.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use countersign_auth::command::enrol::Denied;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::sign_in::{Code, entered};
use super::visitor::{Enrolling, Posted};
use super::{CODE_MALFORMED, CODE_REFUSED, failed, page, see_other, wait_text, with_header};
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::door::http::enrol::qr_svg;
use crate::service::operator::uri;

#[derive(Template)]
#[template(path = "enrol.html")]
struct EnrolPage<'a> {
    problem: &'a str,
    whole: bool,
    owes_code: bool,
}

#[derive(Template)]
#[template(path = "pending.html")]
struct PendingPage<'a> {
    problem: &'a str,
    shown: Option<Shown<'a>>,
}

/// What is shown once.
struct Shown<'a> {
    qr: String,
    secret: &'a str,
    backup_codes: Vec<&'a str>,
}

/// What an enrolment begins with.
#[derive(Deserialize)]
pub(super) struct Begin {
    label: String,
    #[serde(default)]
    code: Zeroizing<String>,
}

/// `GET /enrol`.
pub(super) async fn form(State(service): State<Shared>, Enrolling(live): Enrolling) -> Response {
    match owes_code(&service, &live).await {
        Err(failure) => failed(&failure),
        Ok(owes_code) => {
            let whole = !service.must_enrol(&live);
            page(
                StatusCode::OK,
                &EnrolPage {
                    problem: "",
                    whole,
                    owes_code,
                },
            )
        }
    }
}

async fn owes_code(service: &Shared, live: &crate::service::Live) -> Result<bool, crate::service::Failure> {
    let view = service.view(&live.session.account).await?;
    Ok(view.is_some_and(|view| view.account.has_second_factor()))
}

/// `POST /enrol`.
pub(super) async fn begin(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Enrolling(live): Enrolling,
    Posted(form): Posted<Begin>,
) -> Response {
    match service
        .begin_enrolment(&live, &form.label, &form.code, &origin)
        .await
    {
        Err(failure) => failed(&failure),
        Ok(Err(denied)) => match owes_code(&service, &live).await {
            Err(failure) => failed(&failure),
            Ok(owes_code) => {
                let whole = !service.must_enrol(&live);
                refused(&denied, |problem| EnrolPage {
                    problem,
                    whole,
                    owes_code,
                })
            }
        },
        Ok(Ok(granted)) => {
            let uri = Zeroizing::new(uri(&granted.given, &live.session.account));
            let secret = grouped(&granted.given.secret.to_base32());
            let fresh = granted.replacement_code.iter().chain(&granted.given.backup_codes);
            let shown = Shown {
                qr: qr_svg(&uri),
                secret: &secret,
                backup_codes: fresh.map(|code| code.as_str()).collect(),
            };
            page(
                StatusCode::OK,
                &PendingPage {
                    problem: "",
                    shown: Some(shown),
                },
            )
        }
    }
}

/// A secret in groups of four, as it is easiest to type.
fn grouped(secret: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(secret.len() * 2));
    for (at, character) in secret.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push(' ');
        }
        text.push(character);
    }
    text
}

/// `POST /enrol/confirm`.
pub(super) async fn confirm(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Enrolling(live): Enrolling,
    Posted(form): Posted<Code>,
) -> Response {
    match service.confirm_enrolment(&live, form.code(), &origin).await {
        Err(failure) => failed(&failure),
        Ok(Ok(signed_in)) => entered(&signed_in),
        Ok(Err(denied)) => refused(&denied, |problem| PendingPage { problem, shown: None }),
    }
}

/// The page again, with what to do about the denial.
pub(super) fn refused<'a, P: Template>(denied: &Denied, again: impl FnOnce(&'a str) -> P) -> Response {
    match denied {
        Denied::NoSession => see_other("/sign-in"),
        Denied::Refused => page(StatusCode::UNAUTHORIZED, &again(CODE_REFUSED)),
        Denied::Malformed => page(StatusCode::BAD_REQUEST, &again(CODE_MALFORMED)),
        Denied::NoFactor => page(
            StatusCode::BAD_REQUEST,
            &again("There is no such factor, or its time is over."),
        ),
        Denied::TooMany => page(
            StatusCode::CONFLICT,
            &again("You have as many factors as there can be."),
        ),
        Denied::ClockNotSet => page(
            StatusCode::SERVICE_UNAVAILABLE,
            &again("The server's clock is not set."),
        ),
        Denied::Throttled { retry_after_s } => {
            let response = super::plain(
                StatusCode::TOO_MANY_REQUESTS,
                "Wait a little",
                &wait_text(*retry_after_s),
            );
            with_header(
                response,
                header::RETRY_AFTER,
                Some(HeaderValue::from(*retry_after_s)),
            )
        }
    }
}
