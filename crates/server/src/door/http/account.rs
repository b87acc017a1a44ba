//! The API of one's own password, and of the ticket an account begins with.
//!
//! Knows: bodies and statuses. Must never know: rules.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::password::Replaced;
use countersign_auth::command::ticket::NotRedeemed;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Whole};
use super::enrol::refused;
use super::openapi::{Always, Enrolled, Guessed, InSession, LoginAnswer, Unticketed, WithBody};
use super::sign_in::{Opened, clock_not_set, onward, opened};
use super::{Shared, answer};
use crate::service::NotSet;

/// An old password, a new one, and the code that is owed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    #[schema(value_type = String, format = Password)]
    current_password: Zeroizing<String>,
    #[schema(value_type = String, format = Password)]
    new_password: Zeroizing<String>,
    /// A code of a second factor, owed once there is one.
    #[serde(default)]
    #[schema(value_type = String)]
    code: Zeroizing<String>,
}

/// Sets a new password: every other session ends, and this one gets a new token.
#[utoipa::path(
    post,
    path = "/api/password",
    tag = "account",
    security(("session" = [])),
    request_body = NewPassword,
    responses(
        (status = 200, description = "The session in place of the one that asked", body = Opened),
        WithBody,
        InSession,
        Enrolled,
        Guessed,
        Always
    )
)]
pub(super) async fn password(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(asked): Body<NewPassword>,
) -> Response {
    let outcome = service
        .change_password(
            &live,
            &asked.current_password,
            &asked.new_password,
            &asked.code,
            &origin,
        )
        .await;
    match outcome {
        Err(failure) => answer::failed(&failure),
        Ok(Err(problem)) => answer::bad_request("bad_password", &problem.to_string()),
        Ok(Ok(Replaced::Done(signed_in))) => opened(&signed_in),
        Ok(Ok(Replaced::Throttled { retry_after_s })) => answer::throttled(retry_after_s),
        Ok(Ok(Replaced::NoSession)) => refused(&Denied::NoSession),
        Ok(Ok(Replaced::Malformed)) => refused(&Denied::Malformed),
        Ok(Ok(Replaced::ClockNotSet)) => clock_not_set(),
        Ok(Ok(Replaced::Refused | Replaced::Stale)) => answer::problem(
            StatusCode::UNAUTHORIZED,
            "refused",
            "The password or the code was not accepted",
            "",
        ),
    }
}

/// A ticket and the password it is used to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetUp {
    #[schema(value_type = String)]
    ticket: Zeroizing<String>,
    /// Chosen by the first administrator; everybody else's stands in the ticket.
    #[serde(default)]
    username: String,
    #[schema(value_type = String, format = Password)]
    password: Zeroizing<String>,
}

/// Uses up an invitation, a recovery or the first set-up: sets the account's password.
#[utoipa::path(
    post,
    path = "/api/setup",
    tag = "sign-in",
    request_body = SetUp,
    responses(
        (status = 200, description = "A session is open, or a code is due", body = LoginAnswer),
        WithBody,
        Unticketed,
        Always
    )
)]
pub(super) async fn set_up(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Body(asked): Body<SetUp>,
) -> Response {
    match service
        .redeem_ticket(&asked.ticket, &asked.username, &asked.password, &origin)
        .await
    {
        Err(failure) => answer::failed(&failure),
        Ok(Ok(next)) => onward(&next),
        Ok(Err(not_set)) => not_set_up(&not_set),
    }
}

fn not_set_up(not_set: &NotSet) -> Response {
    match not_set {
        NotSet::Password(problem) => answer::bad_request("bad_password", &problem.to_string()),
        NotSet::Name(error) => answer::bad_request("bad_username", &error.to_string()),
        NotSet::Ticket(NotRedeemed::NoTicket) => {
            let title = "This ticket is unknown, over or used";
            answer::problem(
                StatusCode::UNAUTHORIZED,
                "no_ticket",
                title,
                "ask the operator for a new one",
            )
        }
        NotSet::Ticket(NotRedeemed::NameTaken) => answer::problem(
            StatusCode::CONFLICT,
            "name_taken",
            "There is an account of this name already",
            "",
        ),
    }
}
