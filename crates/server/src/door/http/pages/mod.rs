//! The pages: what a person sees. Rendered here, usable without a script.
//!
//! Knows: routes, forms, and the policy under which a browser shows them. Must never know: rules, or why a
//! sign-in was refused. After a form was taken the answer leads on (303); what is shown once stands in the
//! answer itself.
//!
//! Read next: [`sign_in`] for the way in, [`frame`] for how a page becomes an answer, [`asked`] for who may
//! see it, [`administration`] for what is done for others.

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use tower_http::csrf::CsrfLayer;

mod account;
mod administration;
mod api_tokens;
mod approvals;
mod asked;
mod assets;
mod browsers;
pub(super) mod cookies;
mod destination;
mod email;
mod enrol;
mod factors;
mod frame;
mod hosts;
mod password;
mod recover;
mod replacement;
mod sessions;
mod set_up;
mod sign_in;
mod step_up;
mod texting;

use super::Shared;
use frame::{Problem, message};

/// Nothing from elsewhere, nothing inline, framed by nobody.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// All routes of the pages.
///
/// # Security
/// A form posted from another site is refused by what the browser says of its origin (`Sec-Fetch-Site`, else
/// `Origin` against `Host`); the cookies' `SameSite` stands behind that. The referrer is kept for the own
/// site because without one a browser posts the origin `null`.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(async || Redirect::to("/account")))
        .route("/setup", get(set_up::ask_ticket).post(set_up::take_password))
        .route("/setup/ticket", post(set_up::take_ticket))
        .route(
            "/sign-in",
            get(sign_in::ask_password).post(sign_in::take_password),
        )
        .route("/sign-in/code", get(sign_in::ask_code).post(sign_in::take_code))
        .route("/sign-in/send-code", post(texting::for_sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/recover", get(recover::ask_name).post(recover::take_name))
        .route("/recover/prove", post(recover::take_proofs))
        .route(
            "/recover/vouched",
            get(recover::ask_ticket).post(recover::take_ticket),
        )
        .route("/recover/finish", get(recover::offer).post(recover::finish))
        .route("/recover/cancel", get(recover::ask_cancel).post(recover::cancel))
        .route("/enrol", get(enrol::offer).post(enrol::begin))
        .route("/enrol/confirm", post(enrol::confirm))
        .route("/for", get(hosts::lead).post(hosts::step_up))
        .route("/step-up", get(step_up::ask).post(step_up::take))
        .route("/account", get(account::home))
        .route("/account/send-code", post(texting::for_session))
        .route("/account/email", get(email::ask).post(email::begin))
        .route("/account/email/confirm", post(email::confirm))
        .route("/account/step-down", post(step_up::give_back))
        .route("/account/browsers", get(browsers::list))
        .route("/account/browsers/forget-all", post(browsers::forget_all))
        .route("/account/browsers/{id}/forget", post(browsers::forget))
        .route("/account/sessions", get(sessions::list))
        .route("/account/sessions/end-others", post(sessions::end_others))
        .route("/account/sessions/{id}/end", post(sessions::end))
        .route("/account/sessions/{id}/name", post(sessions::name))
        .route("/account/tokens", get(api_tokens::list).post(api_tokens::make))
        .route("/account/tokens/{id}/revoke", post(api_tokens::revoke))
        .route("/account/factors", get(factors::list))
        .route(
            "/account/factors/{id}/remove",
            get(factors::ask_remove).post(factors::remove),
        )
        .route(
            "/account/backup-codes",
            get(factors::backup_codes).post(factors::replace_backup_codes),
        )
        .route("/account/approvals", get(approvals::list))
        .route("/account/approvals/begin", post(approvals::begin))
        .route("/account/approvals/waiting", get(approvals::wait))
        .route("/account/approvals/collect", post(approvals::collect))
        .route("/account/approvals/number", post(approvals::take_number))
        .route("/account/approvals/number/deny", post(approvals::deny_number))
        .route(
            "/account/approvals/{id}",
            get(approvals::show_one).post(approvals::approve),
        )
        .route("/account/approvals/{id}/deny", post(approvals::deny))
        .route("/account/password", get(password::ask).post(password::change))
        .merge(administration::routes())
        .layer(CsrfLayer::new().with_rejection_response(|_| from_elsewhere()))
        .route("/assets/{name}", get(assets::serve))
        .route("/.countersign/step-up.js", get(assets::step_up))
        .layer(map_response(confine))
}

/// For fuzzing: see [`destination`].
pub(super) fn fuzz_destination(data: &[u8]) {
    destination::fuzz(data);
}

async fn confine(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static(CONTENT_POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let referrer = HeaderValue::from_static("same-origin");
    headers.insert(header::REFERRER_POLICY, referrer);
    response
}

fn from_elsewhere() -> Response {
    let text = "This form was sent from another site, so it was not taken.";
    message("Not from here", Problem::of(StatusCode::FORBIDDEN, "", text))
}
