//! Authenticators and backup codes of one's own account.
//!
//! Knows: how they are listed, and that changing them owes a code. Must never know: which code was wrong.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::record::Account;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::account::{Done, authenticators};
use super::asked::{Form, Settled};
use super::frame::{Frame, Moment, Problem, failed, message, once, onward, show, to_sign_in};
use super::texting::Texting;
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::service::Live;

#[derive(Template)]
#[template(path = "factors.html")]
struct FactorsPage {
    frame: Frame,
    factors: Vec<Shown>,
    codes_left: usize,
}

/// An authenticator as its owner sees it.
struct Shown {
    id: String,
    label: String,
    about: String,
    added: Moment,
}

#[derive(Template)]
#[template(path = "remove.html")]
struct RemovePage {
    frame: Frame,
    factor: Shown,
    last: bool,
}

#[derive(Template)]
#[template(path = "backup_codes.html")]
struct BackupCodesPage {
    frame: Frame,
    left: usize,
}

#[derive(Template)]
#[template(path = "new_codes.html")]
struct NewCodesPage<'a> {
    frame: Frame,
    codes: Vec<&'a str>,
}

/// The code that is owed.
#[derive(Deserialize)]
pub(super) struct Code {
    code: Zeroizing<String>,
}

/// The account of a session, or the answer that there is none.
async fn account(service: &Shared, live: &Live) -> Result<Account, Response> {
    match service.view(&live.session.account).await {
        Err(failure) => Err(failed(&failure)),
        Ok(None) => Err(to_sign_in()),
        Ok(Some(view)) => Ok(view.account),
    }
}

fn shown(account: &Account) -> Vec<Shown> {
    let active = account
        .factors
        .iter()
        .filter(|factor| factor.is_active() && !factor.is_backup());
    let shown = active.map(|factor| Shown {
        id: factor.id.clone(),
        label: factor.label.clone(),
        about: factor.credential.provider().about(),
        added: Moment::of(factor.created_at),
    });
    shown.collect()
}

/// How many backup codes an account has left.
pub(super) fn codes_left(account: &Account) -> usize {
    let left = account
        .factors
        .iter()
        .filter(|factor| factor.is_active())
        .filter_map(|factor| factor.credential.provider().codes_left());
    left.sum()
}

/// `GET /account/factors`.
pub(super) async fn list(
    State(service): State<Shared>,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    let account = match account(&service, &live).await {
        Ok(account) => account,
        Err(response) => return response,
    };
    let page = FactorsPage {
        frame: Frame {
            done: done.text(),
            ..Frame::of(&live.session, "factors")
        },
        factors: shown(&account),
        codes_left: codes_left(&account),
    };
    show(&page, &page.frame)
}

/// `GET /account/factors/{id}/remove`.
pub(super) async fn ask_remove(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    let frame = Frame::of(&live.session, "factors").after(done.text());
    remove_page(&service, &live, &id, frame).await
}

async fn remove_page(service: &Shared, live: &Live, id: &str, frame: Frame) -> Response {
    let account = match account(service, live).await {
        Ok(account) => account,
        Err(response) => return response,
    };
    let Some(factor) = shown(&account).into_iter().find(|factor| factor.id == id) else {
        let text = "There is no such authenticator. It may have been removed already.";
        return message("Gone", Problem::of(StatusCode::NOT_FOUND, "", text));
    };
    let back = format!("/account/factors/{}/remove", factor.id);
    let page = RemovePage {
        frame: frame.texting(Texting::of(service, &account, &back)),
        factor,
        last: authenticators(&account) == 1,
    };
    show(&page, &page.frame)
}

/// `POST /account/factors/{id}/remove`.
pub(super) async fn remove(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Code>,
) -> Response {
    match service.remove_factor(&live, &id, &form.code, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Ok(granted)) => match granted.replacement_code {
            None => onward("/account/factors?done=removed"),
            Some(code) => new_codes(&live, vec![code.as_str()]),
        },
        Ok(Err(denied)) => match Problem::denied(&denied) {
            None => to_sign_in(),
            problem => {
                let frame = Frame::of(&live.session, "factors").with(problem);
                remove_page(&service, &live, &id, frame).await
            }
        },
    }
}

/// `GET /account/backup-codes`.
pub(super) async fn backup_codes(
    State(service): State<Shared>,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    let frame = Frame::of(&live.session, "backup-codes").after(done.text());
    backup_codes_page(&service, &live, frame).await
}

async fn backup_codes_page(service: &Shared, live: &Live, frame: Frame) -> Response {
    let account = match account(service, live).await {
        Ok(account) => account,
        Err(response) => return response,
    };
    let page = BackupCodesPage {
        frame: frame.texting(Texting::of(service, &account, "/account/backup-codes")),
        left: codes_left(&account),
    };
    show(&page, &page.frame)
}

/// `POST /account/backup-codes`: the new ones are shown, once.
pub(super) async fn replace_backup_codes(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Code>,
) -> Response {
    match service.replace_backup_codes(&live, &form.code, &origin).await {
        Err(failure) => failed(&failure),
        // A code issued in place of a used one is void at once: all were replaced after it.
        Ok(Ok(granted)) => new_codes(&live, granted.given.iter().map(|code| code.as_str()).collect()),
        Ok(Err(denied)) => match Problem::denied(&denied) {
            None => to_sign_in(),
            problem => {
                let frame = Frame::of(&live.session, "backup-codes").with(problem);
                backup_codes_page(&service, &live, frame).await
            }
        },
    }
}

fn new_codes(live: &Live, codes: Vec<&str>) -> Response {
    let frame = Frame::of(&live.session, "backup-codes");
    let page = NewCodesPage { frame, codes };
    once(show(&page, &page.frame))
}
