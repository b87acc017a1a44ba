//! The API of one's own factors: enrolled, confirmed, listed, removed; backup codes replaced.
//!
//! Knows: bodies and statuses. Must never know: rules. What a session may do is declared by the extractor a
//! handler takes: [`Signed`] for a session that may only enrol, [`Whole`] for everything else.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::enrol::{Denied, Enrolment};
use countersign_auth::credential::Factor;
use countersign_core::time::UnixSeconds;
use fast_qr::QRBuilder;
use fast_qr::convert::svg::SvgBuilder;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::{Asked, Body, Id, Signed, Whole};
use super::openapi::{Always, Enrolled, Guessed, InSession, Missing, TooMany, WithBody};
use super::sign_in::{Opened, clock_not_set, opened};
use super::texting::no_text_messages;
use super::{Shared, answer};
use crate::service::operator::{secret_text, uri};
use crate::service::texting::NoWish;

/// What an enrolment begins with.
#[derive(Deserialize, ToSchema)]
#[schema(as = BeginEnrolment)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    #[serde(default)]
    label: String,
    /// `totp`, which it is without, or `sms`.
    #[serde(default)]
    kind: String,
    /// The telephone number of a factor `sms`, as in +41791234567; without one the account's.
    #[serde(default)]
    phone: String,
    /// A code of an active factor, owed once there is one.
    #[serde(default)]
    #[schema(value_type = String)]
    code: Zeroizing<String>,
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    #[schema(value_type = String)]
    code: Zeroizing<String>,
}

/// Two consecutive codes of a token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TwoCodes {
    /// The code that was shown first.
    #[schema(value_type = String)]
    first_code: Zeroizing<String>,
    /// The one after it.
    #[schema(value_type = String)]
    second_code: Zeroizing<String>,
}

/// A pending factor, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = PendingFactor)]
struct Pending<'a> {
    factor: &'a str,
    kind: &'static str,
    /// Empty, like the three after it, where a code was sent and there is nothing to scan.
    secret: &'a str,
    otpauth_uri: &'a str,
    /// The text of the QR code: the same URI.
    qr_url: &'a str,
    /// The QR code as an SVG image.
    qr_svg: String,
    /// Backup codes, when the account had none; each works once.
    backup_codes: Vec<&'a str>,
    /// Seconds in which it must be confirmed.
    expires_in: u32,
    /// A backup code in place of the one that was just used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replacement_backup_code: Option<&'a str>,
}

/// Begins the enrolment of a factor; a secret is shown here and never again, a code is sent.
#[utoipa::path(
    post,
    path = "/auth/totp/setup",
    tag = "factors",
    security(("session" = [])),
    request_body = Begin,
    responses(
        (status = 200, description = "It waits for its confirming code", body = Pending),
        WithBody,
        InSession,
        Guessed,
        Missing,
        TooMany,
        Always
    )
)]
pub(super) async fn begin(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Signed(live): Signed,
    Body(begin): Body<Begin>,
) -> Response {
    let wish = match service.wish(&live, &begin.kind, &begin.phone).await {
        Err(failure) => return answer::failed(&failure),
        Ok(Err(no_wish)) => return unwished(no_wish),
        Ok(Ok(wish)) => wish,
    };
    match service
        .begin_enrolment(&live, wish, &begin.label, &begin.code, &origin)
        .await
    {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(granted)) => {
            let Enrolment {
                factor,
                kind,
                offer,
                backup_codes,
                expires_in_s,
            } = &granted.given;
            let uri = uri(offer, &live.session.account);
            let body = Pending {
                factor,
                kind,
                secret: &secret_text(offer),
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

/// What can't be made into a factor.
fn unwished(no_wish: NoWish) -> Response {
    match no_wish {
        NoWish::Kind => answer::bad_request("bad_kind", "`kind` is `totp` or `sms`"),
        NoWish::Number(error) => answer::bad_request("bad_phone", &error.to_string()),
        NoWish::NoNumber => {
            answer::bad_request("bad_phone", "the account has no telephone number; give `phone`")
        }
    }
}

/// A QR code as SVG; empty when there is nothing to scan, or more than fits, which an otpauth URI of ours never is.
pub(super) fn qr_svg(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    QRBuilder::new(text)
        .build()
        .map_or_else(|_| String::new(), |qr| SvgBuilder::default().to_str(&qr))
}

/// Confirms the pending factor by a code of it; the session is replaced by one of two factors.
#[utoipa::path(
    post,
    path = "/auth/totp/confirm",
    tag = "factors",
    security(("session" = [])),
    request_body = Code,
    responses(
        (status = 200, description = "A session of two factors is open", body = Opened),
        WithBody,
        InSession,
        Guessed,
        Missing,
        Always
    )
)]
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
        Denied::NotOffered => no_text_messages(),
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

/// A factor of the account, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Factor)]
struct FactorView<'a> {
    id: &'a str,
    /// `totp`, `hotp`, `sms` or `backup`.
    kind: &'static str,
    label: &'a str,
    /// Whether it was confirmed.
    active: bool,
    /// Seconds since 1970.
    #[schema(value_type = u64)]
    created_at: UnixSeconds,
    /// Backup codes that were not used yet; null for other kinds.
    codes_left: Option<usize>,
}

impl FactorView<'_> {
    fn of(factor: &Factor) -> FactorView<'_> {
        let provider = factor.credential.provider();
        FactorView {
            id: &factor.id,
            kind: provider.kind(),
            label: &factor.label,
            active: factor.is_active(),
            created_at: factor.created_at,
            codes_left: provider.codes_left(),
        }
    }
}

/// The account's factors.
#[utoipa::path(
    get,
    path = "/api/factors",
    tag = "factors",
    security(("session" = [])),
    responses((status = 200, description = "Its factors", body = Vec<FactorView>), InSession, Enrolled, Always)
)]
pub(super) async fn factors(State(service): State<Shared>, Whole(live): Whole) -> Response {
    let view = match service.view(&live.session.account).await {
        Err(failure) => return answer::failed(&failure),
        Ok(None) => return refused(&Denied::NoSession),
        Ok(Some(view)) => view,
    };
    let factors = view.account.factors.iter().map(FactorView::of);
    Json(factors.collect::<Vec<_>>()).into_response()
}

/// It is done.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    status: &'static str,
    /// A backup code in place of the one that was just used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false, required = false)]
    replacement_backup_code: Option<Zeroizing<String>>,
}

impl Done {
    /// Says so, and nothing else.
    pub(super) fn answer() -> Response {
        Done::with(None)
    }

    /// The same with a backup code in place of a used one.
    pub(super) fn with(replacement_backup_code: Option<Zeroizing<String>>) -> Response {
        let status = "success";
        Json(Done {
            status,
            replacement_backup_code,
        })
        .into_response()
    }
}

/// Removes a factor; sessions other than the one that asks end.
#[utoipa::path(
    post,
    path = "/api/factors/{id}/remove",
    tag = "factors",
    security(("session" = [])),
    params(("id" = String, Path, pattern = "^[0-9a-f]{8}$")),
    request_body = Code,
    responses(
        (status = 200, description = "It is removed", body = Done),
        WithBody,
        InSession,
        Enrolled,
        Guessed,
        Missing,
        Always
    )
)]
pub(super) async fn remove_factor(
    State(service): State<Shared>,
    Id(id): Id,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(code): Body<Code>,
) -> Response {
    match service.remove_factor(&live, &id, &code.code, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(granted)) => Done::with(granted.replacement_code),
    }
}

/// Finds a factor whose counter or clock went astray by two consecutive codes; both are used up.
#[utoipa::path(
    post,
    path = "/api/factors/{id}/resynchronise",
    tag = "factors",
    security(("session" = [])),
    params(("id" = String, Path, pattern = "^[0-9a-f]{8}$")),
    request_body = TwoCodes,
    responses(
        (status = 200, description = "Its next code signs in", body = Done),
        WithBody,
        InSession,
        Enrolled,
        Guessed,
        Missing,
        Always
    )
)]
pub(super) async fn resynchronise(
    State(service): State<Shared>,
    Id(id): Id,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(codes): Body<TwoCodes>,
) -> Response {
    let codes = (codes.first_code.as_str(), codes.second_code.as_str());
    match service.resynchronise(&live, &id, codes, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        Ok(Ok(())) => Done::answer(),
    }
}

/// Fresh backup codes, shown once.
#[derive(Serialize, ToSchema)]
struct FreshCodes {
    /// Each works once.
    #[schema(value_type = Vec<String>)]
    backup_codes: Vec<Zeroizing<String>>,
}

/// Makes new backup codes in place of all the old ones.
#[utoipa::path(
    post,
    path = "/api/backup-codes",
    tag = "factors",
    security(("session" = [])),
    request_body = Code,
    responses(
        (status = 200, description = "The new codes", body = FreshCodes),
        WithBody,
        InSession,
        Enrolled,
        Guessed,
        Missing,
        Always
    )
)]
pub(super) async fn backup_codes(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Whole(live): Whole,
    Body(code): Body<Code>,
) -> Response {
    match service.replace_backup_codes(&live, &code.code, &origin).await {
        Err(failure) => answer::failed(&failure),
        Ok(Err(denied)) => refused(&denied),
        // A code that was issued in place of the one shown is void again: all codes were replaced.
        Ok(Ok(granted)) => {
            let backup_codes = granted.given;
            Json(FreshCodes { backup_codes }).into_response()
        }
    }
}
