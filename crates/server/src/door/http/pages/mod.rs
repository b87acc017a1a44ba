//! The pages: server-rendered, working without JavaScript, saying no more to a stranger than the API does.
//!
//! Knows: templates, cookies and redirects. Must never know: rules. What a page may show is declared by the
//! extractor its handler takes: [`visitor::Enrolling`] for a session of one factor, [`visitor::Owner`] for
//! everything else.

use askama::Template;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};

mod account;
pub(in crate::door::http) mod assets;
mod enrol;
mod sign_in;
mod visitor;

use super::{Shared, answer};

/// What the pages may load and do: their own style and script, and forms to themselves.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// All routes of the pages.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/account") }))
        .route("/setup", get(sign_in::setup).post(sign_in::set_up))
        .route("/sign-in", get(sign_in::form).post(sign_in::password))
        .route("/sign-in/code", get(sign_in::code_form).post(sign_in::code))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/enrol", get(enrol::form).post(enrol::begin))
        .route("/enrol/confirm", post(enrol::confirm))
        .route("/account", get(account::home))
        .route("/account/factors/{id}/remove", post(account::remove_factor))
        .route("/account/sessions", get(account::sessions))
        .route("/account/sessions/end-others", post(account::end_others))
        .route("/account/sessions/{id}/end", post(account::end_session))
        .route("/account/sessions/{id}/name", post(account::name_session))
        .route(
            "/account/backup-codes",
            get(account::backup_codes).post(account::replace_backup_codes),
        )
        .route(
            "/account/password",
            get(account::password_form).post(account::change_password),
        )
        .route(assets::STYLE_PATH, get(assets::style))
        .route(assets::SCRIPT_PATH, get(assets::script))
}

/// A rendered page.
fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
            (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            answer::failed(&crate::service::Failure::Internal)
        }
    }
}

/// A page with a title and a sentence.
#[derive(Template)]
#[template(path = "plain.html")]
struct Plain<'a> {
    title: &'a str,
    text: &'a str,
}

fn plain(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &Plain { title, text })
}

/// The service could not decide.
fn failed(failure: &crate::service::Failure) -> Response {
    tracing::warn!(%failure, "a page could not be answered");
    let mut response = plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not now",
        "The server can't decide anything at the moment. Nothing was changed; try again soon.",
    );
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// What a person is told who must wait.
fn wait_text(retry_after_s: u32) -> String {
    match retry_after_s.div_ceil(60) {
        1 => "Too many failed attempts. Try again in a minute.".into(),
        minutes => format!("Too many failed attempts. Try again in {minutes} minutes."),
    }
}

/// What a stranger is told of a code that was not accepted, whatever the reason.
const CODE_REFUSED: &str = "That code was not accepted. If you have used it already, wait for the next one.";
/// What is said of a text that can't be a code.
const CODE_MALFORMED: &str = "A code is six to eight digits; a backup code is 24 letters and digits.";

/// After a post, the browser is sent on, so that a reload repeats nothing.
fn see_other(path: &'static str) -> Response {
    Redirect::to(path).into_response()
}

fn with_header(mut response: Response, name: HeaderName, value: Option<HeaderValue>) -> Response {
    if let Some(value) = value {
        response.headers_mut().append(name, value);
    }
    response
}

fn with_cookie(response: Response, cookie: Option<HeaderValue>) -> Response {
    with_header(response, header::SET_COOKIE, cookie)
}
