//! The API of an action-bound approval: applications ask and hear the answer, people answer.
//!
//! Knows: bodies and statuses; all of it is docs/protocol/approvals.md. Must never know: rules. Read next: `number`,
//! for people who approve a session of their own.

use std::collections::BTreeMap;
use std::fmt;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::action::{Action, Field, SUITE};
use countersign_auth::command::approval::{Answered, NotAsked, Redeemed};
use countersign_auth::id::Digest;
use countersign_auth::record::Approval;
use countersign_core::elevation::Level;
use countersign_core::time::UnixSeconds;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Id, Whole};
use super::enrol::refused;
use super::openapi::{Always, ByApplication, Enrolled, Guessed, InSession, Missing, WithBody};
use super::tokens::Application;
use super::{Shared, answer};
use crate::service::approvals::{Question, Whom, action};

/// Seconds in which an approval must be answered unless its application says otherwise.
const EXPIRES_IN_S: u32 = 120;

/// An action that a person is asked to approve; one of `account` and `token` says whom.
#[derive(Deserialize, ToSchema)]
#[schema(as = AskApproval)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// The account's name.
    account: Option<String>,
    /// A session token or an elevated token of the person.
    #[schema(value_type = Option<String>)]
    token: Option<Zeroizing<String>>,
    action: Told,
    /// Seconds in which it must be answered, 30 to 300; 120 unless given.
    #[serde(default = "expires_in")]
    #[schema(minimum = 30, maximum = 300)]
    expires_in: u32,
    /// Whether a one-time code, which covers no action, does as well.
    #[serde(default)]
    totp_fallback: bool,
}

fn expires_in() -> u32 {
    EXPIRES_IN_S
}

/// An action as it is told.
#[derive(Deserialize, ToSchema)]
#[schema(as = Action)]
#[serde(deny_unknown_fields)]
struct Told {
    /// What kind of action it is.
    #[schema(pattern = "^[a-z][a-z0-9_]{0,31}$")]
    kind: String,
    /// What is said of it: 1 to 16 names, each with a text of 1 to 200 characters.
    #[schema(value_type = BTreeMap<String, String>)]
    fields: Fields,
}

/// The members of an object, in the order they came in, so that one that came twice is seen.
struct Fields(Vec<Field>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = members.next_entry()? {
                    fields.push(Field { name, value });
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Members)
    }
}

/// An approval that was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = ApprovalAsked)]
struct AskedFor<'a> {
    /// Its identifier, with which it is redeemed.
    id: String,
    /// SHA-256 of the action's canonical form.
    digest: String,
    /// What the person types into their token.
    challenge: &'a str,
    /// The suite of the response (RFC 6287).
    suite: &'static str,
    /// Seconds in which it must be answered.
    expires_in: u64,
    /// Whether a one-time code does as well: where the application asked for it and the installation allows it.
    totp_fallback: bool,
    /// Where the person answers.
    approve_url: String,
}

/// Asks a person to approve an action, which they see word by word.
#[utoipa::path(
    post,
    path = "/api/approvals",
    operation_id = "ask_approval",
    tag = "approvals",
    security(("application" = [])),
    request_body = Ask,
    responses(
        (status = 200, description = "The person is asked", body = AskedFor),
        (status = 429, description = "Too many approvals wait for this person, or were asked for"),
        WithBody,
        ByApplication,
        Missing,
        Always
    )
)]
pub(super) async fn ask(
    State(service): State<Shared>,
    Application(application): Application,
    Asked(origin): Asked,
    Body(asked): Body<Ask>,
) -> Response {
    let whom = match (&asked.account, &asked.token) {
        (Some(account), None) => Whom::Account(account),
        (None, Some(token)) => Whom::Token(token),
        _ => return answer::bad_request("malformed", "give one of `account` and `token`"),
    };
    let action = match action(asked.action.kind, asked.action.fields.0) {
        Ok(action) => action,
        Err(error) => return answer::bad_request("malformed_action", &error.to_string()),
    };
    let question = Question {
        action,
        expires_in_s: asked.expires_in,
        totp_fallback: asked.totp_fallback,
    };
    match service.ask_approval(&application, whom, question, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Ok((id, approval))) => {
            let body = AskedFor {
                id: id.to_string(),
                digest: approval.action.digest().to_string(),
                challenge: &approval.question,
                suite: SUITE,
                expires_in: approval.answer_until.since(approval.created_at),
                totp_fallback: approval.totp_fallback,
                approve_url: format!("{}/account/approvals/{id}", service.issuer()),
            };
            Json(body).into_response()
        }
        Ok(Err(NotAsked::Nobody)) => answer::problem(
            StatusCode::NOT_FOUND,
            "nobody",
            "There is nobody of that name or token who could approve anything",
            "",
        ),
        Ok(Err(NotAsked::TooMany { retry_after_s })) => too_often(retry_after_s),
    }
}

/// A person is asked too often.
pub(super) fn too_often(retry_after_s: u32) -> Response {
    let title = "This person is asked too often";
    let refused = answer::problem(StatusCode::TOO_MANY_REQUESTS, "asked_too_often", title, "");
    answer::retry_after(refused, retry_after_s)
}

/// An approval that waits for its answer.
#[derive(Serialize, ToSchema)]
#[schema(as = ApprovalWaiting)]
struct WaitingOne<'a> {
    id: String,
    application: String,
    action: Shown<'a>,
    digest: String,
    /// What is typed into the token.
    challenge: &'a str,
    suite: &'static str,
    /// Whether a one-time code does as well.
    totp_fallback: bool,
    /// From when on it can't be answered, in seconds since 1970.
    #[schema(value_type = u64)]
    answer_until: UnixSeconds,
}

/// An action as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = ActionShown)]
struct Shown<'a> {
    kind: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
}

impl<'a> Shown<'a> {
    fn of(action: &'a Action) -> Shown<'a> {
        let fields = action.fields().iter();
        Shown {
            kind: action.kind(),
            fields: fields
                .map(|field| (field.name.as_str(), field.value.as_str()))
                .collect(),
        }
    }
}

impl<'a> WaitingOne<'a> {
    fn of((id, approval): &'a (Digest, Approval)) -> WaitingOne<'a> {
        WaitingOne {
            id: id.to_string(),
            application: approval.application.to_string(),
            action: Shown::of(&approval.action),
            digest: approval.action.digest().to_string(),
            challenge: &approval.question,
            suite: SUITE,
            totp_fallback: approval.totp_fallback,
            answer_until: approval.answer_until,
        }
    }
}

/// What waits for the answer of the account's owner.
#[utoipa::path(
    get,
    path = "/api/approvals",
    operation_id = "waiting_approvals",
    tag = "approvals",
    security(("session" = [])),
    responses((status = 200, description = "They wait", body = Vec<WaitingOne>), InSession, Enrolled, Always)
)]
pub(super) async fn waiting(State(service): State<Shared>, Whole(live): Whole) -> Response {
    match service.waiting_approvals(&live).await {
        Err(failure) => answer::failed(&failure),
        Ok(waiting) => Json(waiting.iter().map(WaitingOne::of).collect::<Vec<_>>()).into_response(),
    }
}

/// A code, or no; one of both.
#[derive(Deserialize, ToSchema)]
#[schema(as = AnswerApproval)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// The token's response to the challenge; a one-time code where that does.
    #[schema(value_type = Option<String>)]
    code: Option<Zeroizing<String>>,
    /// Whether the answer is no.
    #[serde(default)]
    deny: bool,
}

/// What was answered.
#[derive(Serialize, ToSchema)]
pub(super) struct Given {
    /// `approved` or `denied`.
    pub(super) status: &'static str,
}

/// Answers an approval.
#[utoipa::path(
    post,
    path = "/api/approvals/{id}/answer",
    operation_id = "answer_approval",
    tag = "approvals",
    security(("session" = [])),
    params(("id" = String, Path, pattern = "^[0-9a-f]{64}$")),
    request_body = Answer,
    responses(
        (status = 200, description = "It is answered", body = Given),
        WithBody,
        InSession,
        Enrolled,
        Guessed,
        Missing,
        Always
    )
)]
pub(super) async fn answer(
    State(service): State<Shared>,
    Id(id): Id,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(answer): Body<Answer>,
) -> Response {
    let code = match (&answer.code, answer.deny) {
        (Some(code), false) => Some(code.as_str()),
        (None, true) => None,
        _ => return answer::bad_request("malformed", "give one of `code` and `\"deny\": true`"),
    };
    match service.answer_approval(&live, &id, code, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(Answered::Gone)) => gone(),
        Ok(Ok(Answered::Approved)) => Json(Given { status: "approved" }).into_response(),
        Ok(Ok(Answered::Denied)) => Json(Given { status: "denied" }).into_response(),
    }
}

fn gone() -> Response {
    let title = "There is no such approval, or it is over";
    answer::problem(StatusCode::NOT_FOUND, "no_approval", title, "")
}

/// What became of an approval.
#[derive(Serialize, ToSchema)]
#[schema(as = ApprovalResult)]
struct Became<'a> {
    /// `waiting`, `approved`, `denied` or `expired`.
    status: &'static str,
    /// Whether the action may be done.
    approved: bool,
    account: String,
    /// SHA-256 of the action's canonical form; whoever does the action compares it with that of what is to be done.
    digest: String,
    action: Shown<'a>,
    /// The level of the proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    acr: Option<&'static str>,
    /// Whether the code covers the very action; a one-time code does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bound: Option<bool>,
    /// When it was approved, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, nullable = false, required = false)]
    at: Option<UnixSeconds>,
}

impl<'a> Became<'a> {
    fn of(redeemed: &'a Redeemed) -> Became<'a> {
        let (status, approval, given) = match redeemed {
            Redeemed::Waiting(approval) => ("waiting", approval, None),
            Redeemed::Denied(approval) => ("denied", approval, None),
            Redeemed::Expired(approval) => ("expired", approval, None),
            Redeemed::Approved { approval, at, bound } => ("approved", approval, Some((*at, *bound))),
        };
        Became {
            status,
            approved: given.is_some(),
            account: approval.account.to_string(),
            digest: approval.action.digest().to_string(),
            action: Shown::of(&approval.action),
            acr: given.map(|_| Level::Two.acr()),
            bound: given.map(|(_, bound)| bound),
            at: given.map(|(at, _)| at),
        }
    }
}

/// Tells what was answered: `waiting` as often as it is asked, anything else once.
#[utoipa::path(
    post,
    path = "/api/approvals/{id}/redeem",
    operation_id = "redeem_approval",
    tag = "approvals",
    security(("application" = [])),
    params(("id" = String, Path, pattern = "^[0-9a-f]{64}$")),
    responses((status = 200, description = "What was answered", body = Became), ByApplication, Missing, Always)
)]
pub(super) async fn redeem(
    State(service): State<Shared>,
    Id(id): Id,
    Application(application): Application,
    Asked(origin): Asked,
) -> Response {
    match service.redeem_approval(&application, &id, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(None) => gone(),
        Ok(Some(redeemed)) => Json(Became::of(&redeemed)).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use countersign_auth::action::ActionError;
    use countersign_core::otp::SharedSecret;
    use countersign_core::otp::ocra::{Input, Suite};
    use serde_json::Value;

    use super::*;
    use crate::door::http::asked::parse;

    fn vectors(name: &str, count: usize) -> (Value, Vec<Value>) {
        let path = countersign_testkit::workspace_root()
            .join("vectors/approvals")
            .join(name);
        let text = std::fs::read_to_string(path).expect("the file is part of the workspace");
        let file: Value = serde_json::from_str(&text).expect("vectors are JSON");
        let cases = file["cases"].as_array().expect("cases are a list").clone();
        assert_eq!(cases.len(), count, "{name}");
        (file, cases)
    }

    fn text(value: &Value) -> &str {
        value.as_str().expect("a text")
    }

    #[test]
    fn actions_of_the_vectors_have_their_digests_questions_and_responses() {
        let (file, cases) = vectors("actions.json", 6);
        let secret = SharedSecret::from_base32(text(&file["secret"])).expect("Base32");
        let suite: Suite = text(&file["suite"]).parse().expect("a suite");
        assert_eq!(suite.to_string(), SUITE);
        for case in cases {
            let told: Told = parse(case["action"].to_string().as_bytes()).expect("an action's shape");
            let action = action(told.kind, told.fields.0).expect("an action");
            assert_eq!(action.canonical(), text(&case["canonical"]));
            assert_eq!(action.digest().to_string(), text(&case["digest"]));
            let id = Digest::parse(text(&case["id"])).expect("an identifier");
            let question = action.question(id);
            assert_eq!(question, text(&case["question"]), "{case}");
            let input = Input {
                question: &question,
                ..Input::default()
            };
            let response = suite.respond(&secret, &input).expect("it fits");
            assert_eq!(response.to_string(), text(&case["response"]), "{case}");
        }
    }

    #[test]
    fn what_is_no_action_is_refused_with_its_cause() {
        for case in vectors("refused.json", 24).1 {
            let wrong = match parse::<Told>(text(&case["text"]).as_bytes()) {
                Err(_) => "shape",
                Ok(told) => match action(told.kind, told.fields.0) {
                    Err(ActionError::Name) => "name",
                    Err(ActionError::Fields) => "fields",
                    Err(ActionError::Twice(_)) => "twice",
                    Err(ActionError::Length(_)) => "length",
                    Err(ActionError::Character(_)) => "character",
                    other => panic!("{case}: {other:?}"),
                },
            };
            assert_eq!(wrong, text(&case["wrong"]), "{case}");
        }
    }
}
