//! The API of one's own factors: enrolled, confirmed, listed, removed; backup codes replaced.
//!
//! Knows: bodies and statuses. Must never know: rules. What a session may do is declared by the extractor a
//! handler takes: [`Signed`] for a session that may only enrol, [`Whole`] for everything else.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::enrol::{Denied, Enrolment};
use countersign_auth::credential::{Credential, FactorState};
use fast_qr::QRBuilder;
use fast_qr::convert::svg::SvgBuilder;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Signed, Whole};
use super::sign_in::{clock_not_set, opened};
use super::{Shared, answer};
use crate::service::Granted;
use crate::service::operator::uri;

/// What an enrolment begins with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    #[serde(default)]
    label: String,
    /// A code of an active factor, owed once there is one.
    #[serde(default)]
    code: Zeroizing<String>,
}

/// A code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    code: Zeroizing<String>,
}

/// A pending factor, shown once.
#[derive(Serialize)]
struct Pending<'a> {
    factor: &'a str,
    secret: &'a str,
    otpauth_uri: &'a str,
    qr_url: &'a str,
    qr_svg: String,
    backup_codes: Vec<&'a str>,
    expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    replacement_backup_code: Option<&'a str>,
}

/// `POST /auth/totp/setup`.
pub(super) async fn begin(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Signed(live): Signed,
    Body(begin): Body<Begin>,
) -> Response {
    match service
        .begin_enrolment(&live, &begin.label, &begin.code, &origin)
        .await
    {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(granted)) => {
            let Enrolment {
                factor,
                secret,
                backup_codes,
                expires_in_s,
                ..
            } = &granted.given;
            let uri = Zeroizing::new(uri(&granted.given, &live.session.account));
            let body = Pending {
                factor,
                secret: &secret.to_base32(),
                otpauth_uri: &uri,
                qr_url: &uri,
                qr_svg: qr_svg(&uri),
                backup_codes: backup_codes.iter().map(|code| code.as_str()).collect(),
                expires_in: *expires_in_s,
                replacement_backup_code: granted.replacement_code.as_ref().map(|code| code.as_str()),
            };
            Json(body).into_response()
        }
    }
}

/// A QR code as SVG; empty when the text is too long for one, which an otpauth URI of ours never is.
pub(super) fn qr_svg(text: &str) -> String {
    QRBuilder::new(text)
        .build()
        .map_or_else(|_| String::new(), |qr| SvgBuilder::default().to_str(&qr))
}

/// `POST /auth/totp/confirm`: the session is replaced by one that has two factors.
pub(super) async fn confirm(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Signed(live): Signed,
    Body(code): Body<Code>,
) -> Response {
    match service.confirm_enrolment(&live, &code.code, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(signed_in)) => opened(&signed_in),
    }
}

/// One answer for each way in which an account's change is denied.
pub(super) fn refused(denied: &Denied) -> Response {
    match denied {
        Denied::NoSession => answer::plain_error(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Unauthorized - please login",
        ),
        Denied::Refused => {
            let detail = "if the code was used already, wait for the next one";
            answer::problem(StatusCode::UNAUTHORIZED, "refused", "Invalid code", detail)
        }
        Denied::Malformed => {
            answer::bad_request("malformed_code", "Code required: 6 to 8 digits, or a backup code")
        }
        Denied::Throttled { retry_after_s } => answer::throttled(*retry_after_s),
        Denied::ClockNotSet => clock_not_set(),
        Denied::NoFactor => answer::problem(
            StatusCode::NOT_FOUND,
            "no_factor",
            "There is no such factor, or none is pending",
            "",
        ),
        Denied::TooMany => answer::problem(
            StatusCode::CONFLICT,
            "too_many",
            "The account has as many factors as it can",
            "remove one",
        ),
    }
}

/// `GET /api/factors`.
pub(super) async fn factors(State(service): State<Shared>, Whole(live): Whole) -> Response {
    let view = match service.view(&live.session.account).await {
        Err(failure) => return answer::failed(&failure),
        Ok(None) => return refused(&Denied::NoSession),
        Ok(Some(view)) => view,
    };
    let describe = |factor: &countersign_auth::credential::Factor| {
        let (kind, left) = match &factor.credential {
            Credential::Totp(_) => ("totp", None),
            Credential::Backup(codes) => ("backup", Some(codes.left())),
        };
        let active = matches!(factor.state, FactorState::Active(_));
        json!({
            "id": factor.id,
            "kind": kind,
            "label": factor.label,
            "active": active,
            "created_at": factor.created_at,
            "codes_left": left,
        })
    };
    Json(view.account.factors.iter().map(describe).collect::<Vec<_>>()).into_response()
}

/// `POST /api/factors/{id}/remove`.
pub(super) async fn remove_factor(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(code): Body<Code>,
) -> Response {
    granted(
        service.remove_factor(&live, &id, &code.code, &origin).await,
        |()| json!({ "status": "success" }),
    )
}

/// `POST /api/backup-codes`: new codes in place of all the old ones.
pub(super) async fn backup_codes(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(code): Body<Code>,
) -> Response {
    granted(
        service.replace_backup_codes(&live, &code.code, &origin).await,
        |codes| json!({ "backup_codes": codes.iter().map(|code| code.as_str()).collect::<Vec<_>>() }),
    )
}

fn granted<T>(
    outcome: Result<Granted<T>, crate::service::Failure>,
    show: impl FnOnce(&T) -> serde_json::Value,
) -> Response {
    match outcome {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(granted)) => {
            let mut body = show(&granted.given);
            if let Some(code) = &granted.replacement_code {
                body["replacement_backup_code"] = json!(code.as_str());
            }
            Json(body).into_response()
        }
    }
}
