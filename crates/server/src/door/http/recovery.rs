//! The API of recovery by mail: ask, prove, finish, call off; and of the address that mail goes to.
//!
//! Knows: bodies and statuses. Must never know: rules, or whether a name exists: a request is answered the same either
//! way. Read next: `countersign_auth::command::recovery` for what counts as a proof.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::recovery::finish::Finished;
use countersign_auth::command::recovery::prove::{Allowed, Proved};
use countersign_auth::record::Lost;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Whole};
use super::enrol::{Done, refused};
use super::openapi::{Always, Enrolled, Guessed, InSession, LoginAnswer, Missing, WithBody};
use super::sign_in::{clock_not_set, onward};
use super::{Shared, answer};
use crate::service::recovery::{Asked as Begun, Typed};

/// The name of the account to recover.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Recover {
    username: String,
}

/// What is shown beside the mailed code. It is the same whether or not there is such an account.
#[derive(Serialize, ToSchema)]
struct Accepted<'a> {
    status: &'static str,
    message: &'static str,
    recovery_token: &'a str,
    expires_in: u32,
}

/// Asks to recover an account: a code is mailed to its owner, if there is one who can be mailed to.
#[utoipa::path(
    post,
    path = "/api/recovery",
    tag = "recovery",
    request_body = Recover,
    responses(
        (status = 202, description = "What there was to send is on its way", body = Accepted),
        WithBody,
        Guessed,
        Missing,
        Always
    )
)]
pub(super) async fn ask(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Body(asked): Body<Recover>,
) -> Response {
    if !service.sends_mail() {
        return no_mail();
    }
    match service.ask_recovery(&asked.username, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(error)) => answer::bad_request("bad_username", &error.to_string()),
        Ok(Ok(Begun::Throttled { retry_after_s })) => answer::throttled(retry_after_s),
        Ok(Ok(Begun::Accepted {
            recovery,
            expires_in_s,
        })) => {
            let body = Accepted {
                status: "accepted",
                message: "If the account can be recovered by mail, a code is on its way",
                recovery_token: recovery.expose(),
                expires_in: expires_in_s,
            };
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
    }
}

fn no_mail() -> Response {
    answer::problem(
        StatusCode::NOT_FOUND,
        "no_mail",
        "Nothing is recovered by mail here",
        "ask whoever runs the server",
    )
}

/// Both proofs: the mailed code or an operator's ticket, and what was not lost; or both of the former.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proofs {
    /// What was answered when the code was asked for.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false)]
    recovery_token: Option<Zeroizing<String>>,
    username: String,
    /// The code that was mailed then.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false)]
    mailed_code: Option<Zeroizing<String>>,
    /// What an operator handed over who vouches for the person: beside `code`, or beside the mailed code. Where nothing
    /// was mailed it is the recovery's token from then on.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false)]
    ticket: Option<Zeroizing<String>>,
    /// A code of a second factor, or a backup code, when the password was lost.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false)]
    code: Option<Zeroizing<String>>,
    /// The password, when the second factors were lost.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false, format = Password)]
    password: Option<Zeroizing<String>>,
}

/// What two proofs allow.
#[derive(Serialize, ToSchema)]
struct Proven<'a> {
    status: &'static str,
    /// What may be set anew: `password` or `second_factor`.
    lost: &'static str,
    /// Seconds until it may be.
    ready_in: u32,
    /// Seconds until it may no longer be.
    expires_in: u32,
    /// A backup code in place of the one that was the proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replacement_backup_code: Option<&'a str>,
}

/// Shows two proofs: the mailed code together with `code`, `password` or `ticket`; or `ticket` together with `code`.
#[utoipa::path(
    post,
    path = "/api/recovery/prove",
    tag = "recovery",
    request_body = Proofs,
    responses(
        (status = 200, description = "Both are right", body = Proven),
        WithBody,
        Guessed,
        Always
    )
)]
pub(super) async fn prove(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Body(proofs): Body<Proofs>,
) -> Response {
    let Some((recovery, mailed, left)) = proofs.pair() else {
        return two_proofs_owed();
    };
    let proved = service
        .prove_recovery(recovery, &proofs.username, mailed, left, &origin)
        .await;
    match proved {
        Err(failure) => answer::failed(&failure),
        Ok(Proved::Proven(allowed)) => proven(&allowed),
        Ok(Proved::NoRecovery) => no_recovery(),
        Ok(Proved::Refused | Proved::Stale) => answer::problem(
            StatusCode::UNAUTHORIZED,
            "refused",
            "The mailed code or what was shown beside it was not accepted",
            "",
        ),
        Ok(Proved::Malformed) => {
            answer::bad_request("malformed_code", "a mailed code has 10 letters and digits")
        }
        Ok(Proved::NotTogether) => two_proofs_owed(),
        Ok(Proved::Throttled { retry_after_s }) => answer::throttled(retry_after_s),
        Ok(Proved::ClockNotSet) => clock_not_set(),
    }
}

impl Proofs {
    /// The recovery's token, what was mailed for it, and the other proof; none where there are not two, or three.
    fn pair(&self) -> Option<(&str, &str, Typed<'_>)> {
        let mailed = match (&self.recovery_token, &self.mailed_code) {
            (Some(token), Some(code)) => Some((token, code)),
            (None, None) => None,
            _ => return None,
        };
        match (mailed, &self.ticket, &self.code, &self.password) {
            (Some((token, mailed)), None, Some(code), None) => Some((token, mailed, Typed::Code(code))),
            (Some((token, mailed)), None, None, Some(password)) => {
                Some((token, mailed, Typed::Password(password)))
            }
            (Some((token, mailed)), Some(ticket), None, None) => Some((token, mailed, Typed::Ticket(ticket))),
            (None, Some(ticket), Some(code), None) => Some((ticket, "", Typed::Code(code))),
            _ => None,
        }
    }
}

fn two_proofs_owed() -> Response {
    answer::bad_request(
        "malformed",
        "two proofs are owed: the mailed code with one of `code`, `password` and `ticket`, or `ticket` with `code`",
    )
}

fn proven(allowed: &Allowed) -> Response {
    let lost = match allowed.lost {
        Lost::Password => "password",
        Lost::SecondFactor => "second_factor",
    };
    Json(Proven {
        status: "proven",
        lost,
        ready_in: allowed.ready_in_s,
        expires_in: allowed.expires_in_s,
        replacement_backup_code: allowed.replacement_code.as_ref().map(|code| code.as_str()),
    })
    .into_response()
}

fn no_recovery() -> Response {
    answer::problem(
        StatusCode::UNAUTHORIZED,
        "no_recovery",
        "The recovery is unknown, over or called off",
        "POST /api/recovery begins another",
    )
}

/// A proven recovery, and the new password where the old one was lost.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Carry {
    #[schema(value_type = String)]
    recovery_token: Zeroizing<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false, format = Password)]
    new_password: Option<Zeroizing<String>>,
}

/// Carries a proven recovery out: sets the new password, after which a code is due; or opens a session that may do
/// nothing but enrol a second factor.
#[utoipa::path(
    post,
    path = "/api/recovery/finish",
    tag = "recovery",
    request_body = Carry,
    responses(
        (status = 200, description = "A code is due, or a session is open", body = LoginAnswer),
        (status = 409, description = "The delay is not over", body = answer::Problem,
            content_type = "application/problem+json", headers(("Retry-After" = i32, description = "Seconds to wait"))),
        WithBody,
        Guessed,
        Always
    )
)]
pub(super) async fn finish(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Body(carry): Body<Carry>,
) -> Response {
    let new = carry.new_password.as_ref().map(|new| new.as_str());
    match service.finish_recovery(&carry.recovery_token, new, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(problem)) => answer::bad_request("bad_password", &problem.to_string()),
        Ok(Ok(Finished::Onward(next))) => onward(&next),
        Ok(Ok(Finished::NoRecovery)) => no_recovery(),
        Ok(Ok(Finished::PasswordMissing)) => answer::bad_request("bad_password", "a new password is owed"),
        Ok(Ok(Finished::NotYet { ready_in_s })) => {
            let (title, detail) = ("The delay is not over", "its owner may call it off until then");
            let problem = answer::problem(StatusCode::CONFLICT, "not_yet", title, detail);
            answer::retry_after(problem, ready_in_s)
        }
    }
}

/// What was mailed to call a recovery off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallOff {
    #[schema(value_type = String)]
    cancel_token: Zeroizing<String>,
}

/// Calls a recovery off by what was mailed to the account's owner.
#[utoipa::path(
    post,
    path = "/api/recovery/cancel",
    tag = "recovery",
    request_body = CallOff,
    responses((status = 200, description = "It is called off", body = Done), WithBody, Missing, Always)
)]
pub(super) async fn cancel(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Body(call_off): Body<CallOff>,
) -> Response {
    let ended = service
        .cancel_recovery_by_link(&call_off.cancel_token, &origin)
        .await;
    called_off(ended)
}

/// Calls every recovery of one's own account off.
#[utoipa::path(
    delete,
    path = "/api/recovery",
    tag = "recovery",
    security(("session" = [])),
    responses((status = 200, description = "It is called off", body = Done), InSession, Enrolled, Missing, Always)
)]
pub(super) async fn cancel_own(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    called_off(service.cancel_recovery(&live, &origin).await)
}

fn called_off(ended: Result<usize, crate::service::Failure>) -> Response {
    match ended {
        Err(failure) => answer::failed(&failure),
        Ok(0) => answer::problem(
            StatusCode::NOT_FOUND,
            "no_recovery",
            "There is no recovery to call off",
            "",
        ),
        Ok(_) => Done::answer(),
    }
}

/// An address, and the code that is owed for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    address: String,
    /// A code of a second factor, or a backup code.
    #[schema(value_type = String)]
    code: Zeroizing<String>,
}

/// Asks for another mail address: a code is sent there, and the old one is told once it came back.
#[utoipa::path(
    post,
    path = "/api/email",
    tag = "account",
    security(("session" = [])),
    request_body = Address,
    responses(
        (status = 200, description = "A code is on its way", body = Done),
        WithBody,
        InSession,
        Enrolled,
        Guessed,
        Missing,
        Always
    )
)]
pub(super) async fn address(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(asked): Body<Address>,
) -> Response {
    if !service.sends_mail() {
        return no_mail();
    }
    match service
        .begin_address(&live, &asked.address, &asked.code, &origin)
        .await
    {
        Err(failure) => answer::failed(&failure),
        Ok(Err(error)) => answer::bad_request("bad_address", &error.to_string()),
        Ok(Ok(Err(denied))) => refused(&denied),
        Ok(Ok(Ok(granted))) => Done::with(granted.replacement_code),
    }
}

/// The code that was sent to an address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MailedCode {
    #[schema(value_type = String)]
    mailed_code: Zeroizing<String>,
}

/// Confirms the address by the code that was sent there.
#[utoipa::path(
    post,
    path = "/api/email/confirm",
    tag = "account",
    security(("session" = [])),
    request_body = MailedCode,
    responses(
        (status = 200, description = "Mail goes there from now on", body = Done),
        WithBody,
        InSession,
        Enrolled,
        Missing,
        Always
    )
)]
pub(super) async fn confirm_address(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(code): Body<MailedCode>,
) -> Response {
    match service.confirm_address(&live, &code.mailed_code, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(Denied::Malformed)) => {
            answer::bad_request("malformed_code", "a mailed code has 10 letters and digits")
        }
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(())) => Done::answer(),
    }
}
