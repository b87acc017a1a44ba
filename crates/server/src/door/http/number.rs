//! The API of approving by number: one session asks and shows a number, which is typed in another of the same person.
//!
//! Knows: bodies and statuses; all of it is docs/protocol/approvals.md. Must never know: rules.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::number::{Answered, LENDER};
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::approvals::{Given, too_often};
use super::asked::{Asked, Body, Whole};
use super::enrol::refused;
use super::openapi::{Always, Enrolled, InSession, Missing, WithBody};
use super::step_up::{ElevationOwed, STEP_UP_URL, SteppedUp, owed, stepped_up};
use super::{Shared, answer};
use crate::service::approvals::Outcome;

/// What the step-up is for.
#[derive(Deserialize, ToSchema)]
#[schema(as = BeginNumber)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    /// In at most 64 characters; the other session shows it, and it stands in the audit.
    #[serde(default)]
    purpose: String,
}

/// A number to be typed in another session.
#[derive(Serialize, ToSchema)]
#[schema(as = NumberBegun)]
struct Begun<'a> {
    /// With which the answer is fetched; it leaves the asking client nowhere.
    request_token: &'a str,
    /// What is typed in the other session.
    number: &'a str,
    /// Seconds in which it must be.
    expires_in: u64,
}

/// Asks that this session be stepped up by another one of the same person.
#[utoipa::path(
    post,
    path = "/auth/approval/begin",
    operation_id = "begin_number",
    tag = "step-up",
    security(("session" = [])),
    request_body = Begin,
    responses(
        (status = 200, description = "The other sessions are asked", body = Begun),
        (status = 429, description = "Another session asks already, or too much was asked"),
        WithBody,
        InSession,
        Enrolled,
        Missing,
        Always
    )
)]
pub(super) async fn begin(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(begin): Body<Begin>,
) -> Response {
    match service.begin_number(&live, &begin.purpose, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Ok(begun)) => Json(Begun {
            request_token: begun.token.expose(),
            number: begun.number.expose(),
            expires_in: begun.expires_in_s,
        })
        .into_response(),
        Ok(Err(Denied::Throttled { retry_after_s })) => too_often(retry_after_s),
        Ok(Err(Denied::NoFactor)) => {
            let title = "Approving by number is not offered to this account";
            answer::problem(StatusCode::NOT_FOUND, "not_offered", title, "step up by a code")
        }
        Ok(Err(denied)) => refused(&denied),
    }
}

/// What another session asks for.
#[derive(Serialize, ToSchema)]
#[schema(as = NumberWaiting)]
struct Waiting {
    /// None when none asks.
    request: Option<Request>,
}

/// A session's wish to be stepped up.
#[derive(Serialize, ToSchema)]
#[schema(as = NumberRequest)]
struct Request {
    id: String,
    /// The session that asks, as `/api/sessions` names it.
    session: String,
    /// Where it asks from.
    network: String,
    /// What its client calls itself; anybody can call themselves anything.
    agent: String,
    /// What it is for, in the asker's words.
    purpose: String,
    /// Seconds since 1970.
    #[schema(value_type = u64)]
    asked_at: UnixSeconds,
    #[schema(value_type = u64)]
    answer_until: UnixSeconds,
}

/// What another session of the person asks for; never what this one does.
#[utoipa::path(
    get,
    path = "/auth/approval/pending",
    operation_id = "waiting_number",
    tag = "step-up",
    security(("session" = [])),
    responses((status = 200, description = "What is asked", body = Waiting), InSession, Enrolled, Always)
)]
pub(super) async fn waiting(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.waiting_number(&live, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(waiting) => {
            let request = waiting.map(|(id, request)| Request {
                id: id.to_string(),
                session: request.session.short(),
                network: request.network,
                agent: request.agent,
                purpose: request.purpose,
                asked_at: request.created_at,
                answer_until: request.answer_until,
            });
            Json(Waiting { request }).into_response()
        }
    }
}

/// The number that the asking session shows, or no; one of both.
#[derive(Deserialize, ToSchema)]
#[schema(as = AnswerNumber)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// The request that was seen.
    id: String,
    #[schema(value_type = Option<String>)]
    number: Option<Zeroizing<String>>,
    /// Whether the answer is no.
    #[serde(default)]
    deny: bool,
}

/// Answers another session of the same person.
#[utoipa::path(
    post,
    path = "/auth/approval/answer",
    operation_id = "answer_number",
    tag = "step-up",
    security(("session" = [])),
    request_body = Answer,
    responses(
        (status = 200, description = "It is answered", body = Given),
        (status = 403, description = "This session has proven no code within the hour", body = ElevationOwed),
        WithBody,
        InSession,
        Missing,
        Always
    )
)]
pub(super) async fn answer(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(answer): Body<Answer>,
) -> Response {
    let number = match (&answer.number, answer.deny) {
        (Some(number), false) => Some(number.as_str()),
        (None, true) => None,
        _ => return answer::bad_request("malformed", "give one of `number` and `\"deny\": true`"),
    };
    match service.answer_number(&live, &answer.id, number, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(Denied::Malformed)) => answer::bad_request(
            "malformed_number",
            "the number has six digits; the asking session shows it",
        ),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(Answered::Approved)) => Json(Given { status: "approved" }).into_response(),
        Ok(Ok(Answered::Denied)) => Json(Given { status: "denied" }).into_response(),
        Ok(Ok(Answered::Wrong)) => answer::problem(
            StatusCode::UNAUTHORIZED,
            "wrong_number",
            "This is not the number that the asking session shows",
            "the third wrong one denies",
        ),
        Ok(Ok(Answered::Gone)) => gone(),
        Ok(Ok(Answered::TooWeak(verdict))) => {
            let elevation_s = service.policy().elevation_s;
            let owed = owed(verdict, &LENDER, StatusCode::FORBIDDEN, STEP_UP_URL, elevation_s);
            owed.unwrap_or_else(gone)
        }
    }
}

fn gone() -> Response {
    let title = "There is no such request, or it is over";
    answer::problem(StatusCode::NOT_FOUND, "no_request", title, "")
}

/// The request whose answer is fetched.
#[derive(Deserialize, ToSchema)]
#[schema(as = CollectNumber)]
#[serde(deny_unknown_fields)]
pub(super) struct Collect {
    #[schema(value_type = String)]
    request_token: Zeroizing<String>,
}

/// The answer is not there yet.
#[derive(Serialize, ToSchema)]
#[schema(as = NumberNotYet)]
struct NotYet {
    status: &'static str,
}

/// Takes the answer: this session is stepped up, once, and its token is replaced.
#[utoipa::path(
    post,
    path = "/auth/approval/result",
    operation_id = "number_result",
    tag = "step-up",
    security(("session" = [])),
    request_body = Collect,
    responses(
        (status = 200, description = "The session is stepped up", body = SteppedUp),
        (status = 202, description = "Nobody answered yet", body = NotYet),
        (status = 403, description = "It was denied, or nobody answered in time", body = super::answer::Problem,
            content_type = "application/problem+json"),
        WithBody,
        InSession,
        Missing,
        Always
    )
)]
pub(super) async fn result(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(collect): Body<Collect>,
) -> Response {
    let denied = |code, title| answer::problem(StatusCode::FORBIDDEN, code, title, "");
    match service
        .collect_number(&live, &collect.request_token, &origin)
        .await
    {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(Outcome::SteppedUp(elevated))) => stepped_up(&elevated),
        Ok(Ok(Outcome::Waiting)) => {
            (StatusCode::ACCEPTED, Json(NotYet { status: "waiting" })).into_response()
        }
        Ok(Ok(Outcome::Denied)) => denied("denied", "The other session denied it"),
        Ok(Ok(Outcome::Expired)) => denied("expired", "Nobody answered in time"),
        Ok(Ok(Outcome::Gone)) => gone(),
    }
}
