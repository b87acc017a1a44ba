//! Keys: those that seal what is stored, and those that sign tokens.
//!
//! Knows: how they are listed, and the steps of a rotation in words. Must never know: a key.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::time::UnixSeconds;
use serde::Deserialize;

use super::confirm::{self, Question, Way};
use super::{Administrator, KEYS, done, unexpected};
use crate::door::http::pages::asked::Form;
use crate::door::http::pages::destination::segment;
use crate::door::http::pages::frame::{Frame, Moment, Problem, onward, show};
use crate::service::operator::{Ask, KeyUse, Reply, SigningKeyView};

/// Most pages of accounts that are sealed anew in one request.
const PAGES_MAX: usize = 50;

#[derive(Template)]
#[template(path = "administration/keys.html")]
struct KeysPage {
    frame: Frame,
    sealing: Vec<Sealing>,
    accounts: u64,
    /// Whether an older key still seals something.
    unfinished: bool,
    signing: Vec<Signing>,
}

/// A key that seals.
struct Sealing {
    id: String,
    secrets: u64,
    current: bool,
    /// Where it is forgotten, once nothing depends on it.
    forget: Option<String>,
}

impl Sealing {
    fn of(key: KeyUse) -> Sealing {
        let idle = !key.current && key.secrets == 0;
        Sealing {
            forget: idle.then(|| forget_path(&key.id)),
            id: key.id,
            secrets: key.secrets,
            current: key.current,
        }
    }
}

/// A key that signs.
struct Signing {
    id: String,
    from: Moment,
    until: Option<Moment>,
}

impl Signing {
    fn of(key: SigningKeyView) -> Signing {
        Signing {
            id: key.id,
            from: Moment::of(UnixSeconds(key.signs_from)),
            until: key.ends_at.map(|at| Moment::of(UnixSeconds(at))),
        }
    }
}

fn forget_path(id: &str) -> String {
    format!("{KEYS}/{}/forget", segment(id))
}

/// `GET /admin/keys`.
pub(super) async fn list(admin: Administrator, Query(done): Query<super::Done>) -> Response {
    let frame = Frame {
        done: done.text(),
        ..admin.frame("keys")
    };
    page(&admin, frame).await
}

async fn page(admin: &Administrator, frame: Frame) -> Response {
    let (keys, accounts) = match admin.ask(Ask::KeyList).await {
        Ok(Reply::Keys { keys, accounts }) => (keys, accounts),
        Ok(_) => return unexpected(),
        Err(answer) => return answer,
    };
    let signing = match admin.ask(Ask::SigningList).await {
        Ok(Reply::SigningKeys { keys }) => keys,
        Ok(_) => return unexpected(),
        Err(answer) => return answer,
    };
    let page = KeysPage {
        frame,
        unfinished: keys.iter().any(|key| !key.current && key.secrets > 0),
        sealing: keys.into_iter().map(Sealing::of).collect(),
        accounts,
        signing: signing.into_iter().map(Signing::of).collect(),
    };
    show(&page, &page.frame)
}

async fn change(admin: &Administrator, ask: Ask, what: &str) -> Response {
    match admin.take(ask, KEYS).await {
        Err(answer) => answer,
        Ok(Ok(_)) => onward(&done(KEYS, what)),
        Ok(Err(problem)) => page(admin, admin.frame("keys").with(Some(problem))).await,
    }
}

/// `POST /admin/keys/rotate`.
pub(super) async fn rotate(admin: Administrator) -> Response {
    change(&admin, Ask::KeyRotate, "key-added").await
}

/// `POST /admin/signing-keys/rotate`.
pub(super) async fn rotate_signing(admin: Administrator) -> Response {
    change(&admin, Ask::SigningRotate, "signing-key-added").await
}

/// Where sealing anew goes on.
#[derive(Deserialize)]
pub(super) struct Reseal {
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "administration/resealed.html")]
struct ResealedPage {
    frame: Frame,
    accounts: u64,
    /// Where it goes on.
    after: String,
}

/// `POST /admin/keys/reseal`: as many accounts as one request bears, and a button to go on.
pub(super) async fn reseal(admin: Administrator, Form(form): Form<Reseal>) -> Response {
    let (mut after, mut looked_at) = (form.after, 0);
    for _ in 0..PAGES_MAX {
        let ask = Ask::KeyReseal { after };
        match admin.take(ask, KEYS).await {
            Err(answer) => return answer,
            Ok(Err(problem)) => return page(&admin, admin.frame("keys").with(Some(problem))).await,
            Ok(Ok(Reply::Resealed { accounts, next, .. })) => {
                looked_at += accounts;
                match next {
                    Some(next) => after = next,
                    None => return onward(&done(KEYS, "resealed")),
                }
            }
            Ok(Ok(_)) => return unexpected(),
        }
    }
    let page = ResealedPage {
        frame: admin.frame("keys"),
        accounts: looked_at,
        after,
    };
    show(&page, &page.frame)
}

/// What forgetting a key does, in words.
const FORGET: Question = Question {
    title: "Forget the sealing key",
    text: "What is sealed under it can never be read again. Nothing stored depends on it now, but backups \
           made while it did are lost with it, unless the key is kept elsewhere.",
    button: "Forget it",
};

/// `GET /admin/keys/{id}/forget`.
pub(super) async fn ask_forget(admin: Administrator, Path(id): Path<String>) -> Response {
    match admin.ask(Ask::KeyList).await {
        Ok(Reply::Keys { keys, .. }) if keys.iter().any(|key| key.id == id) => forgetting(&admin, &id, None),
        Ok(Reply::Keys { .. }) => {
            let text = "The key ring has no such key. It may have been forgotten already.";
            admin.message("Gone", Problem::of(StatusCode::NOT_FOUND, "", text))
        }
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

fn forgetting(admin: &Administrator, id: &str, problem: Option<Problem>) -> Response {
    let action = forget_path(id);
    let way = Way {
        place: "keys",
        action: &action,
        back: KEYS,
        person: None,
    };
    confirm::page(admin, &way, FORGET, (id, None), problem)
}

/// `POST /admin/keys/{id}/forget`.
pub(super) async fn forget(admin: Administrator, Path(id): Path<String>) -> Response {
    match admin
        .take(Ask::KeyForget { id: id.clone() }, &forget_path(&id))
        .await
    {
        Err(answer) => answer,
        Ok(Ok(_)) => onward(&done(KEYS, "key-forgotten")),
        Ok(Err(problem)) => forgetting(&admin, &id, Some(problem)),
    }
}
