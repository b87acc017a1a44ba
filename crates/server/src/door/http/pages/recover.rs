//! Recovery: name, mailed code or an operator's link beside what was not lost, and then what that allows.
//!
//! Knows: forms, and a cookie for what was proven. Must never know: whether a name exists, or which proof was wrong.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countersign_auth::command::recovery::finish::Finished;
use countersign_auth::command::recovery::prove::{Allowed, Proved};
use countersign_auth::record::Lost;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::asked::Form;
use super::cookies;
use super::frame::{Frame, Problem, failed, message, once, onward, show};
use super::set_up::without_link;
use super::sign_in::lead;
use crate::door::http::Shared;
use crate::door::http::asked::{Asked, cookie};
use crate::service::recovery::{Asked as Begun, Typed};

const NO_MAIL: &str = "Nothing is recovered by mail here. Ask whoever runs this server.";
const OVER: &str = "That recovery is over, or was called off. Begin again.";
/// One sentence for a wrong mailed code and for whatever was wrong beside it.
const REFUSED: &str = "The mailed code or what you gave beside it was not accepted. A code you used already \
                       does not work again.";
const MALFORMED: &str = "A mailed code has 10 letters and digits, a code 6 to 8 digits, a backup code 24 letters \
                         and digits.";
const NO_TICKET: &str =
    "This link is unknown, over or used, or it is another account's. Ask whoever gave it to you.";
const NO_LINK: &str = "This link is unknown, or there is nothing left to call off.";

#[derive(Template)]
#[template(path = "recover.html")]
struct AskPage {
    frame: Frame,
    name: String,
}

#[derive(Template)]
#[template(path = "recover_prove.html")]
struct ProvePage<'a> {
    frame: Frame,
    recovery: &'a str,
    name: &'a str,
    lost: &'a str,
    minutes: u32,
}

#[derive(Template)]
#[template(path = "vouched.html")]
struct VouchedPage<'a> {
    frame: Frame,
    /// Empty while it is asked for.
    ticket: &'a str,
    name: &'a str,
    /// Whether a code could be mailed instead.
    mails: bool,
}

#[derive(Template)]
#[template(path = "recover_finish.html")]
struct FinishPage {
    frame: Frame,
    name: String,
    lost_password: bool,
    replacement: Option<Zeroizing<String>>,
    /// How long to wait, in words; empty when nothing need be waited for.
    wait: String,
    chars_min: usize,
}

#[derive(Template)]
#[template(path = "recover_cancel.html")]
struct CancelPage {
    frame: Frame,
}

/// A name.
#[derive(Deserialize)]
pub(super) struct Recover {
    username: String,
}

/// Both proofs, and which of the two kinds the second is.
#[derive(Deserialize)]
pub(super) struct Proofs {
    recovery: Zeroizing<String>,
    username: String,
    mailed_code: Zeroizing<String>,
    lost: String,
    proof: Zeroizing<String>,
}

/// A new password, where the old one was lost.
#[derive(Deserialize)]
pub(super) struct Carry {
    #[serde(default)]
    new_password: Option<Zeroizing<String>>,
}

/// What was mailed, or the whole link.
#[derive(Deserialize)]
pub(super) struct CallOff {
    ticket: Zeroizing<String>,
}

/// `GET /recover`.
pub(super) async fn ask_name(State(service): State<Shared>) -> Response {
    if !service.sends_mail() {
        return no_mail();
    }
    name_page(String::new(), None)
}

fn no_mail() -> Response {
    message("Not by mail", Problem::of(StatusCode::NOT_FOUND, "", NO_MAIL))
}

fn name_page(name: String, problem: Option<Problem>) -> Response {
    let frame = Frame::default().with(problem);
    let page = AskPage { frame, name };
    show(&page, &page.frame)
}

/// `POST /recover`: the next page is the same for every name.
pub(super) async fn take_name(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Form(form): Form<Recover>,
) -> Response {
    if !service.sends_mail() {
        return no_mail();
    }
    let problem = match service.ask_recovery(&form.username, &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Ok(Begun::Accepted { recovery, .. })) => {
            return prove_page(&service, recovery.expose(), &form.username, "", None);
        }
        Ok(Ok(Begun::Throttled { retry_after_s })) => Problem::throttled(retry_after_s),
        Ok(Err(error)) => Problem::of(StatusCode::BAD_REQUEST, "username", error),
    };
    name_page(form.username, Some(problem))
}

fn prove_page(
    service: &Shared,
    recovery: &str,
    name: &str,
    lost: &str,
    problem: Option<Problem>,
) -> Response {
    let page = ProvePage {
        frame: Frame::default().with(problem),
        recovery,
        name,
        lost,
        minutes: service.policy().recovery.code_s.div_ceil(60),
    };
    once(show(&page, &page.frame))
}

/// `POST /recover/prove`.
pub(super) async fn take_proofs(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Form(form): Form<Proofs>,
) -> Response {
    let left = match form.lost.as_str() {
        "second_factor" => Typed::Password(&form.proof),
        "both" => Typed::Ticket(without_link(&form.proof)),
        _ => Typed::Code(&form.proof),
    };
    let proved = service
        .prove_recovery(&form.recovery, &form.username, &form.mailed_code, left, &origin)
        .await;
    let problem = match proved {
        Err(failure) => return failed(&failure),
        Ok(Proved::Proven(allowed)) => return allow(&service, &form.recovery, &form.username, allowed),
        Ok(Proved::NoRecovery | Proved::NotTogether) => {
            return name_page(
                String::new(),
                Some(Problem::of(StatusCode::UNAUTHORIZED, "", OVER)),
            );
        }
        Ok(Proved::Refused | Proved::Stale) => Problem::of(StatusCode::UNAUTHORIZED, "mailed_code", REFUSED),
        Ok(Proved::Malformed) => Problem::of(StatusCode::BAD_REQUEST, "mailed_code", MALFORMED),
        Ok(Proved::Throttled { retry_after_s }) => Problem::throttled(retry_after_s),
        Ok(Proved::ClockNotSet) => Problem::clock_not_set(),
    };
    prove_page(
        &service,
        &form.recovery,
        &form.username,
        &form.lost,
        Some(problem),
    )
}

/// `GET /recover/vouched`.
pub(super) async fn ask_ticket(State(service): State<Shared>) -> Response {
    vouched_page(&service, "", "", None)
}

fn vouched_page(service: &Shared, ticket: &str, name: &str, problem: Option<Problem>) -> Response {
    let frame = Frame::default().with(problem);
    let page = VouchedPage {
        frame,
        ticket,
        name,
        mails: service.sends_mail(),
    };
    once(show(&page, &page.frame))
}

/// An operator's ticket, or the whole link; and, once that is there, the other proof.
#[derive(Deserialize)]
pub(super) struct Vouched {
    ticket: Zeroizing<String>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    code: Zeroizing<String>,
}

/// `POST /recover/vouched`: asks for the other proof, and takes it.
pub(super) async fn take_ticket(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Form(form): Form<Vouched>,
) -> Response {
    let ticket = without_link(&form.ticket);
    if form.username.is_empty() && form.code.is_empty() {
        return vouched_page(&service, ticket, "", None);
    }
    let left = Typed::Code(&form.code);
    let proved = service
        .prove_recovery(ticket, &form.username, "", left, &origin)
        .await;
    let problem = match proved {
        Err(failure) => return failed(&failure),
        Ok(Proved::Proven(allowed)) => return allow(&service, ticket, &form.username, allowed),
        Ok(Proved::NoRecovery | Proved::NotTogether) => {
            let problem = Problem::of(StatusCode::UNAUTHORIZED, "ticket", NO_TICKET);
            return vouched_page(&service, "", "", Some(problem));
        }
        Ok(Proved::Refused | Proved::Stale) => Problem::code_refused(),
        Ok(Proved::Malformed) => Problem::code_malformed(),
        Ok(Proved::Throttled { retry_after_s }) => Problem::throttled(retry_after_s),
        Ok(Proved::ClockNotSet) => Problem::clock_not_set(),
    };
    vouched_page(&service, ticket, &form.username, Some(problem))
}

fn allow(service: &Shared, recovery: &str, name: &str, allowed: Allowed) -> Response {
    let page = FinishPage {
        frame: Frame::default(),
        name: name.to_owned(),
        lost_password: allowed.lost == Lost::Password,
        replacement: allowed.replacement_code,
        wait: wait(allowed.ready_in_s),
        chars_min: service.policy().password_chars_min(),
    };
    let response = once(show(&page, &page.frame));
    cookies::recovery(response, recovery, allowed.expires_in_s)
}

fn wait(seconds: u32) -> String {
    match seconds {
        0 => String::new(),
        1..=7200 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

/// `GET /recover/finish`.
pub(super) async fn offer(State(service): State<Shared>, headers: HeaderMap) -> Response {
    match cookie(&headers, cookies::RECOVERY) {
        None => onward("/recover"),
        Some(recovery) => finish_page(&service, recovery, None).await,
    }
}

async fn finish_page(service: &Shared, recovery: &str, problem: Option<Problem>) -> Response {
    let (name, lost) = match service.look_at_recovery(recovery).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return over(),
        Ok(Some(proven)) => proven,
    };
    let page = FinishPage {
        frame: Frame::default().with(problem),
        name: name.to_string(),
        lost_password: lost == Lost::Password,
        replacement: None,
        wait: String::new(),
        chars_min: service.policy().password_chars_min(),
    };
    show(&page, &page.frame)
}

fn over() -> Response {
    let page = name_page(
        String::new(),
        Some(Problem::of(StatusCode::UNAUTHORIZED, "", OVER)),
    );
    cookies::drop(page, cookies::RECOVERY)
}

/// `POST /recover/finish`: on to the code that is due, or to the enrolment.
pub(super) async fn finish(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    headers: HeaderMap,
    Form(form): Form<Carry>,
) -> Response {
    // It is asked where the sign-in is completed.
    origin.remember = false;
    let Some(recovery) = cookie(&headers, cookies::RECOVERY) else {
        return over();
    };
    let new = form.new_password.as_ref().map(|new| new.as_str());
    let problem = match service.finish_recovery(recovery, new, &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Ok(Finished::Onward(next))) => return cookies::drop(lead(&next), cookies::RECOVERY),
        Ok(Ok(Finished::NoRecovery)) => return over(),
        Ok(Ok(Finished::PasswordMissing)) => {
            Problem::of(StatusCode::BAD_REQUEST, "new_password", "Choose a new password.")
        }
        Ok(Ok(Finished::NotYet { ready_in_s })) => Problem {
            retry_after_s: Some(ready_in_s),
            ..Problem::of(StatusCode::CONFLICT, "", "The delay is not over.")
        },
        Ok(Err(error)) => Problem::of(StatusCode::BAD_REQUEST, "new_password", error),
    };
    finish_page(&service, recovery, Some(problem)).await
}

/// `GET /recover/cancel`.
pub(super) async fn ask_cancel() -> Response {
    cancel_page(None, None)
}

fn cancel_page(problem: Option<Problem>, done: Option<&'static str>) -> Response {
    let frame = Frame {
        done,
        ..Frame::default().with(problem)
    };
    let page = CancelPage { frame };
    show(&page, &page.frame)
}

/// `POST /recover/cancel`.
pub(super) async fn cancel(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Form(form): Form<CallOff>,
) -> Response {
    let token = Zeroizing::new(without_link(&form.ticket).to_owned());
    match service.cancel_recovery_by_link(&token, &origin).await {
        Err(failure) => failed(&failure),
        Ok(0) => cancel_page(Some(Problem::of(StatusCode::NOT_FOUND, "ticket", NO_LINK)), None),
        Ok(_) => cancel_page(
            None,
            Some("The recovery is called off. Sign in and change your password."),
        ),
    }
}
