//! The pages of one's own account.
//!
//! Knows: what an owner sees and may ask for. Must never know: how it is decided.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use countersign_auth::command::password::Replaced;
use countersign_auth::command::session::Which;
use countersign_auth::credential::{Credential, Factor};
use countersign_core::time::UnixSeconds;
use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::format_description;
use zeroize::Zeroizing;

use super::enrol::refused;
use super::sign_in::{Code, entered};
use super::visitor::{Owner, Posted};
use super::{CODE_MALFORMED, failed, page, see_other, wait_text, with_header};
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::service::{Live, View};

/// Most notices shown.
const NOTICES_SHOWN: usize = 10;

#[derive(Template)]
#[template(path = "account.html")]
struct HomePage<'a> {
    problem: &'a str,
    name: String,
    level: &'static str,
    until: String,
    sign_ins: u64,
    failures: u64,
    sessions: usize,
    factors: Vec<FactorRow>,
    notices: Vec<NoticeRow>,
}

struct FactorRow {
    id: String,
    label: String,
    about: String,
}

struct NoticeRow {
    text: &'static str,
    at: String,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    sessions: Vec<SessionRow>,
}

struct SessionRow {
    id: String,
    title: String,
    label: String,
    network: String,
    level: &'static str,
    last_seen: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "backup.html")]
struct BackupPage<'a> {
    problem: &'a str,
    left: usize,
    codes: Vec<&'a str>,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'a> {
    problem: &'a str,
    chars_min: usize,
}

fn shown(at: UnixSeconds) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let at = OffsetDateTime::from_unix_timestamp(at.0.cast_signed()).ok();
    at.and_then(|at| at.format(format).ok()).unwrap_or_default()
}

async fn view(service: &Shared, live: &Live) -> Result<View, Response> {
    match service.view(&live.session.account).await {
        Err(failure) => Err(failed(&failure)),
        Ok(None) => Err(see_other("/sign-in")),
        Ok(Some(view)) => Ok(view),
    }
}

fn home_page<'a>(view: &View, live: &Live, problem: &'a str) -> HomePage<'a> {
    let notice = |notice: &countersign_auth::record::Notice| NoticeRow {
        text: notice.kind.text(),
        at: shown(notice.at),
    };
    HomePage {
        problem,
        name: view.account.name.to_string(),
        level: match live.session.level {
            countersign_auth::session::Level::One => "one factor",
            countersign_auth::session::Level::Two => "two factors",
        },
        until: shown(live.until),
        sign_ins: view.account.sign_ins,
        failures: view.failures,
        sessions: view.sessions.len(),
        factors: view
            .account
            .factors
            .iter()
            .filter(|factor| factor.is_active())
            .map(factor_row)
            .collect(),
        notices: view.notices.iter().take(NOTICES_SHOWN).map(notice).collect(),
    }
}

fn factor_row(factor: &Factor) -> FactorRow {
    let about = match &factor.credential {
        Credential::Totp(totp) => {
            format!(
                "{} digits every {} s, since {}",
                totp.digits.count(),
                totp.time_step.seconds(),
                shown(factor.created_at)
            )
        }
        Credential::Backup(codes) => format!("{} left, since {}", codes.left(), shown(factor.created_at)),
    };
    FactorRow {
        id: factor.id.clone(),
        label: factor.label.clone(),
        about,
    }
}

/// `GET /account`.
pub(super) async fn home(State(service): State<Shared>, Owner(live): Owner) -> Response {
    match view(&service, &live).await {
        Err(response) => response,
        Ok(view) => page(StatusCode::OK, &home_page(&view, &live, "")),
    }
}

/// `POST /account/factors/{id}/remove`.
pub(super) async fn remove_factor(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Owner(live): Owner,
    Posted(form): Posted<Code>,
) -> Response {
    match service.remove_factor(&live, &id, form.code(), &origin).await {
        Err(failure) => failed(&failure),
        Ok(Ok(_)) => see_other("/account"),
        Ok(Err(denied)) => match view(&service, &live).await {
            Err(response) => response,
            Ok(view) => refused(&denied, |problem| home_page(&view, &live, problem)),
        },
    }
}

/// `GET /account/sessions`.
pub(super) async fn sessions(State(service): State<Shared>, Owner(live): Owner) -> Response {
    let view = match view(&service, &live).await {
        Err(response) => return response,
        Ok(view) => view,
    };
    let row = |(id, session, last_seen): &(_, countersign_auth::record::Session, UnixSeconds)| {
        let id: &countersign_auth::id::Digest = id;
        let agent = if session.agent.is_empty() {
            "A client without a name"
        } else {
            &session.agent
        };
        SessionRow {
            id: id.short(),
            title: if session.label.is_empty() {
                agent.to_owned()
            } else {
                session.label.clone()
            },
            label: session.label.clone(),
            network: session.network.clone(),
            level: session.level.acr(),
            last_seen: shown(*last_seen),
            current: *id == live.id,
        }
    };
    page(
        StatusCode::OK,
        &SessionsPage {
            sessions: view.sessions.iter().map(row).collect(),
        },
    )
}

/// `POST /account/sessions/{id}/end`.
pub(super) async fn end_session(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Owner(live): Owner,
    Posted(()): Posted<()>,
) -> Response {
    sent_back(service.end_sessions(&live, Which::One(id), &origin).await)
}

/// `POST /account/sessions/end-others`.
pub(super) async fn end_others(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Owner(live): Owner,
    Posted(()): Posted<()>,
) -> Response {
    sent_back(service.end_sessions(&live, Which::Others, &origin).await)
}

/// A session's new name.
#[derive(Deserialize)]
pub(super) struct Label {
    label: String,
}

/// `POST /account/sessions/{id}/name`.
pub(super) async fn name_session(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Owner(live): Owner,
    Posted(form): Posted<Label>,
) -> Response {
    sent_back(service.name_session(&live, &id, &form.label, &origin).await)
}

fn sent_back<T>(outcome: Result<T, crate::service::Failure>) -> Response {
    match outcome {
        Err(failure) => failed(&failure),
        Ok(_) => see_other("/account/sessions"),
    }
}

fn codes_left(view: &View) -> usize {
    let left = |factor: &Factor| match &factor.credential {
        Credential::Backup(codes) if factor.is_active() => codes.left(),
        _ => 0,
    };
    view.account.factors.iter().map(left).sum()
}

/// `GET /account/backup-codes`.
pub(super) async fn backup_codes(State(service): State<Shared>, Owner(live): Owner) -> Response {
    match view(&service, &live).await {
        Err(response) => response,
        Ok(view) => page(
            StatusCode::OK,
            &BackupPage {
                problem: "",
                left: codes_left(&view),
                codes: Vec::new(),
            },
        ),
    }
}

/// `POST /account/backup-codes`.
pub(super) async fn replace_backup_codes(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Owner(live): Owner,
    Posted(form): Posted<Code>,
) -> Response {
    match service.replace_backup_codes(&live, form.code(), &origin).await {
        Err(failure) => failed(&failure),
        Ok(Ok(granted)) => {
            let codes = granted.given.iter().map(|code| code.as_str()).collect();
            page(
                StatusCode::OK,
                &BackupPage {
                    problem: "",
                    left: granted.given.len(),
                    codes,
                },
            )
        }
        Ok(Err(denied)) => match view(&service, &live).await {
            Err(response) => response,
            Ok(view) => {
                let left = codes_left(&view);
                refused(&denied, |problem| BackupPage {
                    problem,
                    left,
                    codes: Vec::new(),
                })
            }
        },
    }
}

/// An old password, a new one, and a code.
#[derive(Deserialize)]
pub(super) struct NewPassword {
    current_password: Zeroizing<String>,
    new_password: Zeroizing<String>,
    #[serde(default)]
    code: Zeroizing<String>,
}

/// `GET /account/password`.
pub(super) async fn password_form(State(service): State<Shared>, Owner(_): Owner) -> Response {
    page(
        StatusCode::OK,
        &PasswordPage {
            problem: "",
            chars_min: service.policy().password_chars_min(),
        },
    )
}

/// `POST /account/password`.
pub(super) async fn change_password(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Owner(live): Owner,
    Posted(form): Posted<NewPassword>,
) -> Response {
    let chars_min = service.policy().password_chars_min();
    let again = |status, problem: &str| page(status, &PasswordPage { problem, chars_min });
    let NewPassword {
        current_password,
        new_password,
        code,
    } = &form;
    match service
        .change_password(&live, current_password, new_password, code, &origin)
        .await
    {
        Err(failure) => failed(&failure),
        Ok(Err(problem)) => again(StatusCode::BAD_REQUEST, &format!("Not changed: {problem}.")),
        Ok(Ok(Replaced::Done(signed_in))) => entered(&signed_in),
        Ok(Ok(Replaced::NoSession)) => see_other("/sign-in"),
        Ok(Ok(Replaced::Malformed)) => again(StatusCode::BAD_REQUEST, CODE_MALFORMED),
        Ok(Ok(Replaced::ClockNotSet)) => {
            again(StatusCode::SERVICE_UNAVAILABLE, "The server's clock is not set.")
        }
        Ok(Ok(Replaced::Refused | Replaced::Stale)) => again(
            StatusCode::UNAUTHORIZED,
            "The password or the code was not accepted.",
        ),
        Ok(Ok(Replaced::Throttled { retry_after_s })) => {
            let response = again(StatusCode::TOO_MANY_REQUESTS, &wait_text(retry_after_s));
            with_header(
                response,
                header::RETRY_AFTER,
                Some(HeaderValue::from(retry_after_s)),
            )
        }
    }
}
