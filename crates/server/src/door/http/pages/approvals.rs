//! What somebody is asked to approve: an application's action, and another session of their own.
//!
//! Knows: how each is shown word by word, that a number is typed and never shown where it is typed, and that nothing
//! can be agreed to by one press. Must never know: which code was wrong.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countersign_auth::action::Field;
use countersign_auth::command::approval::Answered;
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::number::{self, Looked};
use countersign_auth::event::Origin;
use countersign_auth::record::Approval;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::account::Done;
use super::asked::{Form, Settled};
use super::cookies;
use super::frame::{Frame, Moment, Problem, failed, message, onward, show, to_sign_in};
use super::sessions::device;
use crate::door::http::Shared;
use crate::door::http::asked::{Asked, cookie};
use crate::service::approvals::Outcome;
use crate::service::{Failure, Live};

/// Where all of it is listed.
const PLACE: &str = "/account/approvals";

#[derive(Template)]
#[template(path = "approvals.html")]
struct ApprovalsPage {
    frame: Frame,
    asked: Option<NumberAsked>,
    waiting: Vec<Line>,
}

/// Another session's wish, as whoever answers sees it.
struct NumberAsked {
    id: String,
    device: String,
    network: String,
    purpose: String,
    since: Moment,
}

/// An action that waits.
struct Line {
    id: String,
    application: String,
    kind: String,
    until: Moment,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct ApprovalPage<'a> {
    frame: Frame,
    id: &'a str,
    application: String,
    kind: &'a str,
    fields: &'a [Field],
    question: String,
    totp_fallback: bool,
    until: Moment,
}

#[derive(Template)]
#[template(path = "number.html")]
struct NumberPage<'a> {
    frame: Frame,
    number: Option<&'a str>,
}

/// The response of a token.
#[derive(Deserialize)]
pub(super) struct Code {
    code: Zeroizing<String>,
}

/// The number of another session.
#[derive(Deserialize)]
pub(super) struct Number {
    id: String,
    number: Zeroizing<String>,
}

/// Another session's wish.
#[derive(Deserialize)]
pub(super) struct Wish {
    id: String,
}

/// `GET /account/approvals`.
pub(super) async fn list(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    let frame = Frame {
        done: done.text(),
        ..Frame::of(&live.session, "approvals")
    };
    match list_page(&service, &live, &origin, frame).await {
        Ok(page) => page,
        Err(failure) => failed(&failure),
    }
}

async fn list_page(
    service: &Shared,
    live: &Live,
    origin: &Origin,
    frame: Frame,
) -> Result<Response, Failure> {
    let asked = service.waiting_number(live, origin).await?;
    let asked = asked.map(|(id, request)| NumberAsked {
        id: id.to_string(),
        device: device(&request.agent),
        network: request.network,
        purpose: request.purpose,
        since: Moment::of(request.created_at),
    });
    let waiting = service.waiting_approvals(live).await?;
    let waiting = waiting.into_iter().map(|(id, approval)| Line {
        id: id.to_string(),
        application: approval.application.to_string(),
        kind: approval.action.kind().to_owned(),
        until: Moment::of(approval.answer_until),
    });
    let page = ApprovalsPage {
        frame,
        asked,
        waiting: waiting.collect(),
    };
    Ok(show(&page, &page.frame))
}

/// The same page again, with what is wrong.
async fn list_again(service: &Shared, live: &Live, origin: &Origin, problem: Problem) -> Response {
    let frame = Frame::of(&live.session, "approvals").with(Some(problem));
    match list_page(service, live, origin, frame).await {
        Ok(page) => page,
        Err(failure) => failed(&failure),
    }
}

/// `GET /account/approvals/{id}`.
pub(super) async fn show_one(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Settled(live): Settled,
) -> Response {
    approval_page(&service, &live, &id, None).await
}

async fn approval_page(service: &Shared, live: &Live, id: &str, problem: Option<Problem>) -> Response {
    let waiting = match service.waiting_approvals(live).await {
        Err(failure) => return failed(&failure),
        Ok(waiting) => waiting,
    };
    let found = waiting.into_iter().find(|(known, _)| known.to_string() == id);
    match found {
        Some((_, approval)) => one(live, id, &approval, problem),
        None => gone(),
    }
}

fn one(live: &Live, id: &str, approval: &Approval, problem: Option<Problem>) -> Response {
    let (front, back) = approval.question.split_at(approval.question.len() / 2);
    let page = ApprovalPage {
        frame: Frame::of(&live.session, "approvals").with(problem),
        id,
        application: approval.application.to_string(),
        kind: approval.action.kind(),
        fields: approval.action.fields(),
        question: format!("{front} {back}"),
        totp_fallback: approval.totp_fallback,
        until: Moment::of(approval.answer_until),
    };
    show(&page, &page.frame)
}

/// `POST /account/approvals/{id}`.
pub(super) async fn approve(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Code>,
) -> Response {
    match service
        .answer_approval(&live, &id, Some(&form.code), &origin)
        .await
    {
        Err(failure) => failed(&failure),
        Ok(Ok(Answered::Approved)) => onward("/account/approvals?done=approved"),
        Ok(Ok(Answered::Denied)) => onward("/account/approvals?done=denied"),
        Ok(Ok(Answered::Gone)) => gone(),
        Ok(Err(denied)) => match problem_of(&denied) {
            None => to_sign_in(),
            problem => approval_page(&service, &live, &id, problem).await,
        },
    }
}

/// What an answer that was not taken is told as.
fn problem_of(denied: &Denied) -> Option<Problem> {
    let bad = StatusCode::BAD_REQUEST;
    match denied {
        Denied::Malformed => {
            let text =
                "The response has 8 digits: type the challenge into your token and take what it answers.";
            Some(Problem::of(bad, "code", text))
        }
        other => Problem::denied(other),
    }
}

/// `POST /account/approvals/{id}/deny`.
pub(super) async fn deny(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Settled(live): Settled,
) -> Response {
    match service.answer_approval(&live, &id, None, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Err(_)) => to_sign_in(),
        Ok(Ok(Answered::Gone)) => gone(),
        Ok(Ok(Answered::Approved | Answered::Denied)) => onward("/account/approvals?done=denied"),
    }
}

fn gone() -> Response {
    let text = "There is no such request. It may have been answered, or its time is over.";
    message("Gone", Problem::of(StatusCode::NOT_FOUND, "", text))
}

/// `POST /account/approvals/number`.
pub(super) async fn take_number(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Number>,
) -> Response {
    let problem = match service
        .answer_number(&live, &form.id, Some(&form.number), &origin)
        .await
    {
        Err(failure) => return failed(&failure),
        Ok(Err(Denied::NoSession)) => return to_sign_in(),
        Ok(Ok(number::Answered::Approved)) => return onward("/account/approvals?done=approved"),
        Ok(Ok(number::Answered::Gone)) => return gone(),
        Ok(Ok(number::Answered::Denied)) => {
            let text = "That was the third wrong number, so the other session was denied.";
            Problem::of(StatusCode::UNAUTHORIZED, "", text)
        }
        Ok(Ok(number::Answered::Wrong)) => {
            let text = "That is not the number that the other session shows.";
            Problem::of(StatusCode::UNAUTHORIZED, "number", text)
        }
        Ok(Ok(number::Answered::TooWeak(_))) => {
            let text = "This session has proven no code within the hour, so it confirms no other. Sign in here anew.";
            Problem::of(StatusCode::FORBIDDEN, "", text)
        }
        Ok(Err(_)) => Problem::of(StatusCode::BAD_REQUEST, "number", "The number has six digits."),
    };
    list_again(&service, &live, &origin, problem).await
}

/// `POST /account/approvals/number/deny`.
pub(super) async fn deny_number(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Wish>,
) -> Response {
    match service.answer_number(&live, &form.id, None, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Err(_)) => to_sign_in(),
        Ok(Ok(number::Answered::Denied)) => onward("/account/approvals?done=denied"),
        Ok(Ok(_)) => gone(),
    }
}

/// `POST /account/approvals/begin`.
pub(super) async fn begin(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
) -> Response {
    let problem = match service.begin_number(&live, "", &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Ok(begun)) => return cookies::number(onward("/account/approvals/waiting"), &begun.token),
        Ok(Err(Denied::NoSession)) => return to_sign_in(),
        Ok(Err(Denied::Throttled { retry_after_s })) => Problem {
            retry_after_s: Some(retry_after_s),
            ..Problem::of(
                StatusCode::TOO_MANY_REQUESTS,
                "",
                "Another session asks already, or you asked too often.",
            )
        },
        Ok(Err(_)) => Problem::of(
            StatusCode::NOT_FOUND,
            "",
            "Confirming by another session is not offered here. Use a code.",
        ),
    };
    list_again(&service, &live, &origin, problem).await
}

/// `GET /account/approvals/waiting`.
pub(super) async fn wait(
    State(service): State<Shared>,
    Settled(live): Settled,
    headers: HeaderMap,
) -> Response {
    let Some(token) = cookie(&headers, cookies::NUMBER) else {
        return onward(PLACE);
    };
    let number = match service.look_at_number(&live, token).await {
        Err(failure) => return failed(&failure),
        Ok(None | Some(Looked::Over)) => return refused(),
        Ok(Some(Looked::Approved)) => None,
        Ok(Some(Looked::Waiting { number })) => Some(number),
    };
    let page = NumberPage {
        frame: Frame::of(&live.session, "approvals"),
        number: number.as_ref().map(number::Number::expose),
    };
    show(&page, &page.frame)
}

/// `POST /account/approvals/collect`.
pub(super) async fn collect(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    headers: HeaderMap,
) -> Response {
    let Some(token) = cookie(&headers, cookies::NUMBER) else {
        return onward(PLACE);
    };
    match service.collect_number(&live, token, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Err(_)) => to_sign_in(),
        Ok(Ok(Outcome::Waiting)) => onward("/account/approvals/waiting"),
        Ok(Ok(Outcome::Denied | Outcome::Expired | Outcome::Gone)) => refused(),
        Ok(Ok(Outcome::SteppedUp(elevated))) => {
            let stepped_up = &elevated.stepped_up;
            let elevation = stepped_up.session.standing.elevation;
            let left_s = elevation.map_or(0, |elevation| {
                stepped_up.session.expires_at.since(elevation.since)
            });
            let response = cookies::drop(onward("/account/approvals?done=elevated"), cookies::NUMBER);
            let left_s = u32::try_from(left_s).unwrap_or(u32::MAX);
            cookies::renew(response, &stepped_up.token, left_s)
        }
    }
}

fn refused() -> Response {
    let text =
        "The other session did not confirm this one: it was denied, or nobody answered within 90 seconds.";
    let refused = message("Not confirmed", Problem::of(StatusCode::FORBIDDEN, "", text));
    cookies::drop(refused, cookies::NUMBER)
}
