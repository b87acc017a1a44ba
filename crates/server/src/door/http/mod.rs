//! The HTTP door: the JSON API and the pages.
//!
//! Knows: routes, statuses and headers. Must never know: why a sign-in was refused beyond what it says
//! outwardly.
//!
//! Read next: `sign_in` for the API of a sign-in, `openapi` for its description, `pages` for what people see,
//! [`listen`] for how connections are bounded, `proxied` for whom they come from.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, Uri, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use tower::layer::layer_fn;
use tower::util::MapRequestLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod account;
mod administration;
mod answer;
mod api_tokens;
mod approvals;
mod asked;
mod browsers;
mod enrol;
mod entry;
mod forward;
mod forwarded;
mod hardened;
mod health;
pub mod listen;
mod number;
mod openapi;
mod pages;
mod patient;
mod proxied;
mod recovery;
mod sessions;
mod sign_in;
mod step_up;
mod texting;
mod tokens;
mod trial;

use crate::service::Service;
use hardened::Hardened;

/// Longest request body in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// What every handler shares.
pub(super) type Shared = Arc<Service>;

/// All routes of the door.
pub fn router(service: Arc<Service>) -> Router {
    let (described, document) = api().split_for_parts();
    let text: &'static str = openapi::text(&document).leak();
    described
        .merge(older_names())
        .route("/openapi.json", get(move || async move { openapi::serve(text) }))
        .merge(entry::routes())
        .merge(pages::routes())
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(layer_fn(Hardened))
        .with_state(service)
}

/// The same routes and those of an application to try them on, each answer of which says that it is served for trying
/// out.
pub fn for_development(routes: Router, service: Arc<Service>) -> Router {
    routes
        .merge(trial::routes().with_state(service))
        .layer(middleware::map_response(async |mut response: Response| {
            let value = HeaderValue::from_static("development");
            response.headers_mut().insert("x-countersign-profile", value);
            response
        }))
}

/// The same routes, to which every request comes as one to the address people type, a URL without a path.
///
/// # Security
/// Forms are compared with that address (their `Origin` against `Host`), and what a client or a proxy wrote as
/// `Host` reaches no handler, so that no link or redirect can be made of it.
pub fn known_as(routes: Router, public_url: &str) -> Router {
    let authority = public_url
        .split_once("://")
        .map_or(public_url, |(_, authority)| authority);
    let host = HeaderValue::from_str(authority).expect("an authority is printable");
    routes.layer(MapRequestLayer::new(move |mut request: Request| {
        request.headers_mut().insert(header::HOST, host.clone());
        // A request line may name a host as well (RFC 9112 §3.2.2), and that would go before the header.
        if request.uri().authority().is_some() {
            let target = request.uri().path_and_query().cloned();
            *request.uri_mut() = target.map_or_else(Uri::default, Uri::from);
        }
        request
    }))
}

/// The routes of the API, and with each its description.
fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(sign_in::login))
        .routes(routes!(sign_in::verify))
        .routes(routes!(texting::send_code))
        .routes(routes!(sign_in::logout))
        .routes(routes!(sign_in::dashboard))
        .routes(routes!(account::set_up))
        .routes(routes!(account::password))
        .routes(routes!(enrol::begin))
        .routes(routes!(enrol::confirm))
        .routes(routes!(enrol::factors))
        .routes(routes!(enrol::remove_factor))
        .routes(routes!(enrol::resynchronise))
        .routes(routes!(enrol::backup_codes))
        .routes(routes!(step_up::step_up))
        .routes(routes!(approvals::ask, approvals::waiting))
        .routes(routes!(approvals::answer))
        .routes(routes!(approvals::redeem))
        .routes(routes!(number::begin))
        .routes(routes!(number::waiting))
        .routes(routes!(number::answer))
        .routes(routes!(number::result))
        .routes(routes!(step_up::step_down))
        .routes(routes!(tokens::jwks))
        .routes(routes!(tokens::metadata))
        .routes(routes!(tokens::introspect))
        .routes(routes!(tokens::revocations))
        .routes(routes!(recovery::ask, recovery::cancel_own))
        .routes(routes!(recovery::prove))
        .routes(routes!(recovery::finish))
        .routes(routes!(recovery::cancel))
        .routes(routes!(recovery::address))
        .routes(routes!(recovery::confirm_address))
        .routes(routes!(sessions::sessions))
        .routes(routes!(sessions::end_others))
        .routes(routes!(sessions::name_session, sessions::end_session))
        .routes(routes!(browsers::browsers))
        .routes(routes!(browsers::forget_all))
        .routes(routes!(browsers::forget))
        .merge(administration())
        .routes(routes!(api_tokens::make, api_tokens::tokens))
        .routes(routes!(api_tokens::revoke))
        .routes(routes!(forward::forward_auth))
        .routes(routes!(forward::redirecting))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
}

/// The routes by which somebody acts for others.
fn administration() -> OpenApiRouter<Shared> {
    use administration::{history, installation, people, texts, throttles};
    OpenApiRouter::new()
        .routes(routes!(people::list, people::add))
        .routes(routes!(people::show, people::change))
        .routes(routes!(people::help, people::reach))
        .routes(routes!(people::end_session))
        .routes(routes!(people::remove_factor))
        .routes(routes!(people::export))
        .routes(routes!(people::import))
        .routes(routes!(installation::status))
        .routes(routes!(installation::keys, installation::add_key))
        .routes(routes!(installation::reseal))
        .routes(routes!(installation::forget_key))
        .routes(routes!(installation::signing_keys, installation::add_signing_key))
        .routes(routes!(installation::applications, installation::add_application))
        .routes(routes!(installation::remove_application))
        .routes(routes!(history::search))
        .routes(routes!(history::timeline))
        .routes(routes!(throttles::list))
        .routes(routes!(throttles::lift))
        .routes(routes!(texts::list))
        .routes(routes!(texts::show, texts::set, texts::reset))
        .routes(routes!(texts::try_out))
}

/// Names by which clients of older systems ask for the same.
fn older_names() -> Router<Shared> {
    Router::new()
        .route("/login", post(sign_in::older_login))
        .route("/verify-2fa", post(sign_in::verify))
        .route("/api/auth/verify-2fa", post(sign_in::verify))
        .route("/auth/totp/verify-setup", post(enrol::confirm))
        .route("/auth/totp/verify", post(step_up::step_up))
        .route("/api/auth/totp/verify", post(step_up::step_up))
        .route("/api/auth/totp/step-up", post(step_up::step_up))
        .route("/api/auth/totp/setup", post(enrol::begin))
        .route("/api/auth/totp/confirm", post(enrol::confirm))
}

/// For fuzzing: a JSON body is taken or refused, and a refusal repeats nothing of it but a member's known name.
///
/// The first byte chooses which of the API's bodies the rest is read as.
#[doc(hidden)]
pub fn fuzz_body(data: &[u8]) {
    let Some((shape, body)) = data.split_first() else {
        return;
    };
    fn refusal<T: serde::de::DeserializeOwned>(body: &[u8]) -> Option<String> {
        asked::parse::<T>(body).err()
    }
    let (refused, members): (_, &[&str]) = match shape % 25 {
        0 => (
            refusal::<sign_in::Login>(body),
            &["username", "password", "remember_browser"],
        ),
        1 => (
            refusal::<sign_in::Verify>(body),
            &["challenge_token", "totp_code", "remember_browser"],
        ),
        2 => (
            refusal::<account::SetUp>(body),
            &["ticket", "username", "password"],
        ),
        3 => (
            refusal::<account::NewPassword>(body),
            &["current_password", "new_password", "code"],
        ),
        4 => (refusal::<enrol::Begin>(body), &["label", "code", "kind", "phone"]),
        5 => (refusal::<enrol::Code>(body), &["code"]),
        6 => (refusal::<enrol::TwoCodes>(body), &["first_code", "second_code"]),
        7 => (
            refusal::<step_up::StepUp>(body),
            &["code", "purpose", "acr_values"],
        ),
        8 => (refusal::<sessions::Label>(body), &["label"]),
        9 => (
            refusal::<approvals::Ask>(body),
            &[
                "account",
                "token",
                "action",
                "expires_in",
                "totp_fallback",
                "kind",
                "fields",
            ],
        ),
        10 => (refusal::<approvals::Answer>(body), &["code", "deny"]),
        11 => (refusal::<number::Begin>(body), &["purpose"]),
        12 => (refusal::<number::Answer>(body), &["id", "number", "deny"]),
        19 => (refusal::<texting::SendCode>(body), &["challenge_token"]),
        13 => (refusal::<number::Collect>(body), &["request_token"]),
        14 => (refusal::<administration::people::New>(body), &["name", "groups"]),
        15 => (
            refusal::<administration::people::Change>(body),
            &["role", "join", "leave", "claims", "remove_claims"],
        ),
        16 => (refusal::<administration::people::Reached>(body), &["value"]),
        17 => (
            refusal::<administration::people::List>(body),
            &["people", "update", "dry_run"],
        ),
        18 => (refusal::<administration::installation::Reseal>(body), &["after"]),
        21 => (refusal::<administration::throttles::Lifted>(body), &["source"]),
        22 => (refusal::<administration::texts::New>(body), &["text"]),
        23 => (refusal::<administration::texts::Trial>(body), &["text"]),
        20 => (
            refusal::<administration::installation::New>(body),
            &["name", "renew"],
        ),
        _ => (
            refusal::<api_tokens::Make>(body),
            &["label", "expires_in_days", "hosts", "code"],
        ),
    };
    for named in refused
        .iter()
        .flat_map(|detail| detail.split('`').skip(1).step_by(2))
    {
        assert!(
            members.contains(&named),
            "an unknown member is not repeated: {refused:?}"
        );
    }
}

/// For fuzzing: what a proxy says of a request is taken in one spelling or refused.
#[doc(hidden)]
pub fn fuzz_forwarded(data: &[u8]) {
    forwarded::fuzz(data);
}

/// For fuzzing: no link to us leads anybody to another site.
#[doc(hidden)]
pub fn fuzz_destination(data: &[u8]) {
    pages::fuzz_destination(data);
}
