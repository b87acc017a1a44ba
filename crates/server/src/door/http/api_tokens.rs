//! The API of one's own tokens for programs: made, listed, revoked.
//!
//! Knows: bodies and statuses. Must never know: rules, or where a token is shown afterwards.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::enrol::Denied;
use countersign_auth::id::Digest;
use countersign_auth::record::ApiToken;
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Id, Whole};
use super::enrol::{Done, refused};
use super::openapi::{Always, Enrolled, Guessed, InSession, Missing, Proxied, TooMany, WithBody};
use super::{Shared, answer};
use crate::service::api_tokens::wish;

/// What a token is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = MakeApiToken)]
#[serde(deny_unknown_fields)]
pub(super) struct Make {
    /// What you call it, in at most 64 characters.
    label: String,
    /// Days that it lives, 1 to 366.
    expires_in_days: u32,
    /// The protected hosts it is good at, at most 16; all of them when left out.
    #[serde(default)]
    hosts: Vec<String>,
    /// A code of an active factor.
    #[schema(value_type = String)]
    code: Zeroizing<String>,
}

/// A token of the account.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiToken)]
struct Kept<'a> {
    id: String,
    label: &'a str,
    /// Seconds since 1970, as all times here.
    #[schema(value_type = u64)]
    created_at: UnixSeconds,
    #[schema(value_type = u64)]
    expires_at: UnixSeconds,
    /// When it was shown last; none when it never was.
    #[schema(value_type = Option<u64>)]
    last_used: Option<UnixSeconds>,
    /// The protected hosts it is good at; all of them when empty.
    hosts: &'a [String],
}

impl Kept<'_> {
    fn of(id: Digest, token: &ApiToken) -> Kept<'_> {
        Kept {
            id: id.short(),
            label: &token.label,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used: token.last_used,
            hosts: &token.hosts,
        }
    }
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeApiToken)]
struct Made<'a> {
    /// What programs show as `Authorization: Bearer`; told here and never again.
    token: &'a str,
    #[serde(flatten)]
    kept: Kept<'a>,
    /// A backup code in place of the one that was just used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replacement_backup_code: Option<&'a str>,
}

/// Makes a token for programs; it is shown here and never again.
#[utoipa::path(
    post,
    path = "/api/tokens",
    tag = "account",
    security(("session" = [])),
    request_body = Make,
    responses(
        (status = 200, description = "The token", body = Made),
        WithBody,
        InSession,
        Enrolled,
        Guessed,
        Missing,
        TooMany,
        Always
    )
)]
pub(super) async fn make(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(asked): Body<Make>,
) -> Response {
    let hosts = asked.hosts.iter().map(String::as_str);
    let wish = match wish(&asked.label, asked.expires_in_days, hosts) {
        Ok(wish) => wish,
        Err(why) => return answer::bad_request("malformed", &format!("`{}`: {why}", why.member())),
    };
    match service.make_api_token(&live, wish, &asked.code, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => denied_token(&denied),
        Ok(Ok(granted)) => {
            let made = &granted.given;
            let body = Made {
                token: made.token.expose(),
                kept: Kept::of(made.id, &made.kept),
                replacement_backup_code: granted.replacement_code.as_ref().map(|code| code.as_str()),
            };
            Json(body).into_response()
        }
    }
}

fn denied_token(denied: &Denied) -> Response {
    match denied {
        Denied::NoFactor => answer::problem(
            StatusCode::NOT_FOUND,
            "no_factor",
            "A token is made by a code, and the account has no second factor",
            "POST /auth/totp/setup",
        ),
        Denied::TooMany => answer::problem(
            StatusCode::CONFLICT,
            "too_many",
            "The account has as many tokens as it can",
            "revoke one",
        ),
        denied => refused(denied),
    }
}

/// The account's tokens that are not over, the newest in front.
#[utoipa::path(
    get,
    path = "/api/tokens",
    tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "Its tokens", body = Vec<Kept>), InSession, Enrolled, Always)
)]
pub(super) async fn tokens(State(service): State<Shared>, Whole(live): Whole) -> Response {
    match service.api_tokens(&live.session.account).await {
        Err(failure) => answer::failed(&failure),
        Ok(tokens) => {
            let tokens = tokens.unwrap_or_default();
            let kept = tokens.iter().map(|(id, token)| Kept::of(*id, token));
            Json(kept.collect::<Vec<_>>()).into_response()
        }
    }
}

/// Revokes a token: whoever shows it is nobody from then on.
#[utoipa::path(
    delete,
    path = "/api/tokens/{id}",
    tag = "account",
    security(("session" = [])),
    params(("id" = String, Path, pattern = "^[0-9a-f]{8}$")),
    responses(
        (status = 200, description = "It is revoked", body = Done),
        Proxied,
        InSession,
        Enrolled,
        Missing,
        Always
    )
)]
pub(super) async fn revoke(
    State(service): State<Shared>,
    Id(id): Id,
    Asked(origin): Asked,
    Whole(live): Whole,
) -> Response {
    match service.revoke_api_token(&live, &id, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(true) => Done::answer(),
        Ok(false) => answer::problem(
            StatusCode::NOT_FOUND,
            "no_token",
            "There is no such token",
            "GET /api/tokens lists them",
        ),
    }
}
