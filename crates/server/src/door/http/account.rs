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
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Whole};
use super::enrol::refused;
use super::sign_in::{clock_not_set, opened};
use super::{Shared, answer};
use crate::service::NotSet;

/// An old password, a new one, and the code that is owed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    current_password: Zeroizing<String>,
    new_password: Zeroizing<String>,
    #[serde(default)]
    code: Zeroizing<String>,
}

/// `POST /api/password`: every other session ends, and this one gets a new token.
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetUp {
    ticket: Zeroizing<String>,
    /// Chosen by the first administrator; everybody else's stands in the ticket.
    #[serde(default)]
    username: String,
    password: Zeroizing<String>,
}

/// `POST /api/setup`.
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
        Ok(Ok(signed_in)) => opened(&signed_in),
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
