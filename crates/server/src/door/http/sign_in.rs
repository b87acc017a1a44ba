//! The API of a sign-in, in the shapes that clients of older two-factor servers know: login, verify, logout,
//! dashboard.
//!
//! Knows: bodies and statuses. Must never know: rules. Unknown name, wrong password and disabled account are
//! one answer; wrong and used code are another.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_auth::command::code::Verified;
use countersign_auth::command::password::Finished;
use countersign_auth::command::session::Which;
use countersign_auth::command::{Onward, SignedIn};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::{Asked, BROWSER_COOKIE, Body, Signed, Whole};
use super::openapi::{Always, Enrolled, Guessed, InSession, LoginAnswer, Proxied, WithBody};
use super::{Shared, answer};
use crate::service::{Failure, SignIn};

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    username: String,
    #[schema(value_type = String, format = Password)]
    password: Zeroizing<String>,
    /// Whether this browser is to be known from now on, where this completes the sign-in. It replaces no factor.
    #[serde(default = "yes")]
    remember_browser: bool,
}

/// What clients that say nothing of it have always got.
fn yes() -> bool {
    true
}

/// A challenge and what answers it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Verify {
    #[schema(value_type = String)]
    challenge_token: Zeroizing<String>,
    /// A one-time code, or a backup code.
    #[schema(value_type = String)]
    totp_code: Zeroizing<String>,
    /// Whether this browser is to be known from now on. It replaces no factor.
    #[serde(default = "yes")]
    remember_browser: bool,
}

/// A code is due.
#[derive(Serialize, ToSchema)]
pub(super) struct CodeDue<'a> {
    status: &'static str,
    message: &'static str,
    challenge_token: &'a str,
    expires_in: u32,
}

/// A session was opened.
#[derive(Serialize, ToSchema)]
pub(super) struct Opened<'a> {
    status: &'static str,
    message: &'static str,
    session_token: &'a str,
    /// The same value, under the name that other clients read.
    token: &'a str,
    expires_in: u32,
    acr: &'static str,
    /// Whether the session may do nothing but enrol a second factor and end; absent when it may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    second_factor_enrolment_required: bool,
    /// A backup code in place of the one that was just used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replacement_backup_code: Option<&'a str>,
}

/// First factor: name and password.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "sign-in",
    request_body = Login,
    responses(
        (status = 200, description = "A code is due, or a session is open", body = LoginAnswer),
        WithBody,
        Guessed,
        Always
    )
)]
pub(super) async fn login(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    Body(login): Body<Login>,
) -> Response {
    origin.remember = login.remember_browser;
    let signed_in = service.sign_in(&login.username, &login.password, &origin).await;
    answered(signed_in, opened)
}

/// The same for clients of older gateways: `POST /login`, with their words for an open session.
pub(super) async fn older_login(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    Body(login): Body<Login>,
) -> Response {
    origin.remember = login.remember_browser;
    let signed_in = service.sign_in(&login.username, &login.password, &origin).await;
    answered(signed_in, |signed_in| {
        let body = Json(json!({
            "ok": true,
            "user": signed_in.name.as_str(),
            "display_name": signed_in.name.as_str(),
            "token": signed_in.session.expose(),
            "expires_in": signed_in.expires_in_s,
        }));
        with_browser(body.into_response(), signed_in)
    })
}

fn answered(signed_in: Result<SignIn, Failure>, opened: impl Fn(&SignedIn) -> Response) -> Response {
    match signed_in {
        Err(failure) => answer::failed(&failure),
        Ok(Err(error)) => answer::plain_error(StatusCode::BAD_REQUEST, "bad_username", &error.to_string()),
        Ok(Ok(Finished::Throttled { retry_after_s })) => answer::throttled(retry_after_s),
        Ok(Ok(Finished::Refused | Finished::Stale)) => {
            answer::plain_error(StatusCode::UNAUTHORIZED, "refused", "Invalid credentials")
        }
        Ok(Ok(Finished::Onward(Onward::SignedIn(signed_in)))) => opened(&signed_in),
        Ok(Ok(Finished::Onward(due))) => onward(&due),
    }
}

/// A code is due, or a session is open.
pub(super) fn onward(next: &Onward) -> Response {
    match next {
        Onward::CodeDue {
            challenge,
            expires_in_s,
        } => Json(CodeDue {
            status: "2fa_required",
            message: "Please enter 2FA code",
            challenge_token: challenge.expose(),
            expires_in: *expires_in_s,
        })
        .into_response(),
        Onward::SignedIn(signed_in) => opened(signed_in),
    }
}

/// Second factor: the code, or a backup code, that answers a challenge.
#[utoipa::path(
    post,
    path = "/api/auth/verify",
    tag = "sign-in",
    request_body = Verify,
    responses(
        (status = 200, description = "A session is open", body = Opened),
        WithBody,
        Guessed,
        Always
    )
)]
pub(super) async fn verify(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    Body(verify): Body<Verify>,
) -> Response {
    origin.remember = verify.remember_browser;
    match service
        .verify(&verify.challenge_token, &verify.totp_code, &origin)
        .await
    {
        Err(failure) => answer::failed(&failure),
        Ok(Verified::SignedIn(signed_in)) => opened(&signed_in),
        Ok(Verified::NoChallenge) => answer::plain_error(
            StatusCode::UNAUTHORIZED,
            "no_challenge",
            "Invalid or expired challenge - please login",
        ),
        Ok(Verified::Refused) => {
            let message = "Invalid 2FA code; if it was used already, wait for the next one";
            answer::plain_error(StatusCode::UNAUTHORIZED, "refused", message)
        }
        Ok(Verified::Malformed) => {
            let message = "Invalid code format: a code is 6 to 8 digits, a backup code 24 letters and digits";
            answer::plain_error(StatusCode::BAD_REQUEST, "malformed_code", message)
        }
        Ok(Verified::Throttled { retry_after_s }) => answer::throttled(retry_after_s),
        Ok(Verified::ClockNotSet) => clock_not_set(),
    }
}

/// The server can't judge codes because its clock is not set.
pub(super) fn clock_not_set() -> Response {
    let title = "The server's clock is not set";
    answer::retry_after(
        answer::problem(StatusCode::SERVICE_UNAVAILABLE, "clock", title, ""),
        60,
    )
}

/// Answers a completed sign-in, and makes the browser known.
pub(super) fn opened(signed_in: &SignedIn) -> Response {
    let token = signed_in.session.expose();
    let body = Opened {
        status: "success",
        message: "Authentication successful",
        session_token: token,
        token,
        expires_in: signed_in.expires_in_s,
        acr: signed_in.level.acr(),
        second_factor_enrolment_required: signed_in.must_enrol,
        replacement_backup_code: signed_in.replacement_code.as_ref().map(|code| code.as_str()),
    };
    with_browser(Json(body).into_response(), signed_in)
}

fn with_browser(mut response: Response, signed_in: &SignedIn) -> Response {
    if let Some(cookie) = browser_cookie(signed_in) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The cookie by which this browser is known from now on.
pub(super) fn browser_cookie(signed_in: &SignedIn) -> Option<HeaderValue> {
    let token = signed_in.browser.as_ref()?;
    let text = format!(
        "{BROWSER_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=15552000",
        token.expose()
    );
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What is said of an end.
#[derive(Serialize, ToSchema)]
struct SignedOut {
    status: &'static str,
    message: &'static str,
}

/// Ends the session.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "sign-in",
    security(("session" = [])),
    responses((status = 200, description = "It is over", body = SignedOut), Proxied, InSession, Always)
)]
pub(super) async fn logout(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Signed(live): Signed,
) -> Response {
    match service.end_sessions(&live, Which::Own, &origin).await {
        Ok(_) => Json(SignedOut {
            status: "success",
            message: "Signed out",
        })
        .into_response(),
        Err(failure) => answer::failed(&failure),
    }
}

/// What a session's owner is shown first.
#[derive(Serialize, ToSchema)]
struct Dashboard {
    status: &'static str,
    username: String,
    message: &'static str,
    data: Counters,
}

/// The counters of an account.
#[derive(Serialize, ToSchema)]
struct Counters {
    total_logins: u64,
    failed_attempts: u64,
    active_sessions: usize,
}

/// What a session's owner is shown first.
#[utoipa::path(
    get,
    path = "/api/dashboard",
    tag = "account",
    security(("session" = [])),
    responses(
        (status = 200, description = "The account's counters", body = Dashboard),
        InSession,
        Enrolled,
        Always
    )
)]
pub(super) async fn dashboard(State(service): State<Shared>, Whole(live): Whole) -> Response {
    match service.view(&live.session.account).await {
        Err(failure) => answer::failed(&failure),
        Ok(None) => answer::plain_error(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Unauthorized - please login",
        ),
        Ok(Some(view)) => Json(Dashboard {
            status: "success",
            username: view.account.name.to_string(),
            message: "Welcome to the secure dashboard!",
            data: Counters {
                total_logins: view.account.sign_ins,
                failed_attempts: view.failures,
                active_sessions: view.sessions.len(),
            },
        })
        .into_response(),
    }
}
