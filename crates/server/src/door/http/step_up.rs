//! The API of a step-up, in the shapes of docs/protocol/step-up.md.
//!
//! Knows: bodies, statuses, and the challenge of RFC 9470. Must never know: rules. Read next: `tokens`, for what guards
//! ask about the token that is given here.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::step_up::SteppedDown;
use countersign_core::elevation::{Demand, ElevationVerdict, Level};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Signed, Whole};
use super::enrol::refused;
use super::openapi::{Always, Enrolled, Guessed, InSession, WithBody};
use super::{Shared, answer};
use crate::service::elevation::Elevated;

/// Where a step-up is asked for.
pub(super) const STEP_UP_URL: &str = "/auth/totp/step-up";

/// A code, and what the elevation is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepUp {
    /// A one-time code, or a backup code.
    #[serde(default)]
    #[schema(value_type = String)]
    code: Zeroizing<String>,
    /// What it is for, in at most 64 characters; it stands in the audit.
    #[serde(default)]
    purpose: String,
    /// Levels that would do, by preference, as RFC 9470 spells them; any that can be reached when it is empty.
    #[serde(default)]
    acr_values: String,
}

/// A session that was elevated.
#[derive(Serialize, ToSchema)]
pub(super) struct SteppedUp<'a> {
    success: bool,
    message: &'static str,
    /// The elevated token.
    token: &'a str,
    elevated: bool,
    /// Seconds until the elevation is over.
    expires_in: u64,
    /// The session's token from now on.
    session_token: &'a str,
    acr: &'static str,
    /// A backup code in place of the one that was just used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replacement_backup_code: Option<&'a str>,
}

/// An error in the shape that clients of older step-up servers read, beside the one that clients of the sign-in read.
#[derive(Serialize)]
struct Refused {
    status: &'static str,
    message: &'static str,
    error: &'static str,
    code: &'static str,
}

fn refuse(status: StatusCode, code: &'static str, error: &'static str) -> Response {
    let mut response = (
        status,
        Json(Refused {
            status: "error",
            message: error,
            error,
            code,
        }),
    )
        .into_response();
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

/// Elevates the session by a code, for a while; its token is replaced.
#[utoipa::path(
    post,
    path = "/auth/totp/step-up",
    tag = "step-up",
    security(("session" = [])),
    request_body = StepUp,
    responses(
        (status = 200, description = "The session is elevated", body = SteppedUp),
        WithBody,
        InSession,
        Guessed,
        Always
    )
)]
pub(super) async fn step_up(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Signed(live): Signed,
    Body(asked): Body<StepUp>,
) -> Response {
    let mut wanted = asked
        .acr_values
        .split_ascii_whitespace()
        .map(Level::parse)
        .peekable();
    let is_reachable = |level: Option<Level>| level.is_some_and(|level| level <= Level::REACHABLE);
    if wanted.peek().is_some() && !wanted.any(is_reachable) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "unmet_authentication_requirements",
            "unmet_authentication_requirements",
        );
    }
    if asked.code.trim().is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "code_required", "Code required");
    }
    match service.step_up(&live, &asked.code, &asked.purpose, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Ok(elevated)) => stepped_up(&elevated),
        Ok(Err(Denied::NoFactor)) => refuse(StatusCode::BAD_REQUEST, "no_factor", "TOTP not configured"),
        Ok(Err(Denied::Refused)) => refuse(StatusCode::UNAUTHORIZED, "refused", "Invalid code"),
        Ok(Err(denied)) => refused(&denied),
    }
}

/// Says what the session is worth now, and by which tokens.
pub(super) fn stepped_up(elevated: &Elevated) -> Response {
    let stepped_up = &elevated.stepped_up;
    let level = stepped_up
        .session
        .standing
        .elevation
        .map_or(stepped_up.session.standing.level, |elevation| elevation.level);
    Json(SteppedUp {
        success: true,
        message: "Session elevated",
        token: &elevated.token,
        elevated: true,
        expires_in: elevated.expires_in_s,
        session_token: stepped_up.token.expose(),
        acr: level.max(stepped_up.session.standing.level).acr(),
        replacement_backup_code: stepped_up.replacement_code.as_ref().map(|code| code.as_str()),
    })
    .into_response()
}

/// A session without an elevation.
#[derive(Serialize, ToSchema)]
struct Lowered {
    success: bool,
    elevated: bool,
}

/// Gives the session's elevation back before it is over by itself; its tokens stay.
#[utoipa::path(
    post,
    path = "/auth/totp/step-down",
    tag = "step-up",
    security(("session" = [])),
    responses(
        (status = 200, description = "The session is not elevated", body = Lowered),
        InSession,
        Enrolled,
        Always
    )
)]
pub(super) async fn step_down(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.step_down(&live, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(SteppedDown::NoSession) => refused(&Denied::NoSession),
        Ok(SteppedDown::Done | SteppedDown::NotElevated) => Json(Lowered {
            success: true,
            elevated: false,
        })
        .into_response(),
    }
}

/// What an operation that wants a step-up is answered (RFC 9470 §3, and the older body).
#[derive(Serialize, ToSchema)]
pub(super) struct ElevationOwed {
    error: &'static str,
    code: &'static str,
    step_up_url: String,
}

/// Answers an operation whose demand is not met; none when it is.
pub(super) fn owed(
    verdict: ElevationVerdict,
    demand: &Demand,
    status: StatusCode,
    step_up_url: &str,
    elevation_s: u32,
) -> Option<Response> {
    let (error, code) = match verdict {
        ElevationVerdict::Met => return None,
        ElevationVerdict::Required => ("elevated session required", "ELEVATION_REQUIRED"),
        ElevationVerdict::Expired => ("elevated session expired", "ELEVATION_EXPIRED"),
    };
    let body = ElevationOwed {
        error,
        code,
        step_up_url: step_up_url.to_owned(),
    };
    let mut response = (status, Json(body)).into_response();
    let level = demand.level.unwrap_or(Level::Two);
    let level = if demand.elevated {
        level.max(Level::Two)
    } else {
        level
    };
    let age_s = match (demand.age_s_max, demand.elevated) {
        (Some(age_s), true) => Some(age_s.min(elevation_s)),
        (Some(age_s), false) => Some(age_s),
        (None, true) => Some(elevation_s),
        (None, false) => None,
    };
    let age = age_s.map_or_else(String::new, |age_s| format!(", max_age=\"{age_s}\""));
    let challenge = format!(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"{error}\", \
         acr_values=\"{level}\"{age}"
    );
    let challenge = HeaderValue::from_str(&challenge).expect("levels and numbers are printable");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    Some(response)
}
