//! The API by which a code is asked for, where codes are sent.
//!
//! Knows: bodies and statuses. Must never know: whether there is a telephone; the answer is the same either way.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Signed};
use super::openapi::{Always, Guessed, InSession, Missing, WithBody};
use super::{Shared, answer};
use crate::service::texting::Sent;

/// For which sign-in a code is asked; a session asks for its own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendCode {
    /// The challenge of a sign-in that owes a code; without one a session is shown.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false)]
    challenge_token: Option<Zeroizing<String>>,
}

/// The same whether or not anything was sent.
#[derive(Serialize, ToSchema)]
struct OnItsWay {
    status: &'static str,
    message: &'static str,
}

/// Asks for a code by text message: for the sign-in of a challenge, or for whatever a session owes one.
#[utoipa::path(
    post,
    path = "/api/auth/send-code",
    tag = "sign-in",
    security((), ("session" = [])),
    request_body = SendCode,
    responses(
        (status = 202, description = "What there was to send is on its way", body = OnItsWay),
        WithBody,
        InSession,
        Guessed,
        Missing,
        Always
    )
)]
pub(super) async fn send_code(
    State(service): State<Shared>,
    Asked(origin): Asked,
    signed: Result<Signed, Response>,
    Body(asked): Body<SendCode>,
) -> Response {
    if !service.sends_codes() {
        return no_text_messages();
    }
    let sent = match (&asked.challenge_token, signed) {
        (Some(challenge), _) => service.send_code_for(challenge, &origin).await,
        (None, Ok(Signed(live))) => service.send_code_to(&live, &origin).await,
        (None, Err(refused)) => return refused,
    };
    match sent {
        Err(failure) => answer::failed(&failure),
        Ok(Sent::Accepted) => {
            let body = OnItsWay {
                status: "accepted",
                message: "If codes are sent to this account, one is on its way",
            };
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Ok(Sent::Throttled { retry_after_s }) => answer::throttled(retry_after_s),
        Ok(Sent::Over) => answer::plain_error(
            StatusCode::UNAUTHORIZED,
            "no_challenge",
            "Invalid or expired challenge - please login",
        ),
    }
}

/// Codes are not sent by text message here.
pub(super) fn no_text_messages() -> Response {
    answer::problem(
        StatusCode::NOT_FOUND,
        "no_text_messages",
        "No codes are sent by text message here",
        "use an authenticator app",
    )
}
