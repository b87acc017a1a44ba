//! Who is held off: seen, and let in again.
//!
//! Knows: how a list and its forms are shown. Must never know: what closes a budget.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use countersign_auth::role::Permission;
use countersign_core::time::UnixSeconds;
use serde::Deserialize;

use super::{Administrator, done, person_path, unexpected};
use crate::door::http::pages::asked::Form;
use crate::door::http::pages::destination::address;
use crate::door::http::pages::frame::{Frame, Moment, Problem, onward, show};
use crate::service::operator::{Ask, Reply, Throttled, Throttles};

/// Where whoever is held off is listed.
pub(super) const THROTTLES: &str = "/admin/throttles";

#[derive(Template)]
#[template(path = "administration/throttles.html")]
struct ThrottlesPage {
    frame: Frame,
    accounts: Vec<Line>,
    listed: Throttles,
    next: Option<String>,
    /// Whether somebody can be let in again here.
    lifting: bool,
    /// A source, as it was typed.
    source: String,
}

/// An account in the list.
struct Line {
    name: String,
    path: String,
    told: Vec<Told>,
}

/// What is closed, how, and until when, where that is known.
struct Told {
    credential: &'static str,
    how: String,
    until: Option<Moment>,
}

impl Line {
    fn of(account: &Throttled) -> Line {
        let told = account.credentials.iter().map(|one| Told {
            credential: match one.credential.as_str() {
                "password" => "Password",
                "code" => "Codes",
                _ => "Backup codes",
            },
            how: one.told(),
            until: one.until.map(|until| Moment::of(UnixSeconds(until))),
        });
        Line {
            name: account.name.clone(),
            path: person_path(&account.name),
            told: told.collect(),
        }
    }
}

/// Which accounts; any text, so that no address is an error.
#[derive(Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    after: String,
    #[serde(flatten)]
    done: super::Done,
}

/// Who is to be let in again: an account, or a source.
#[derive(Deserialize)]
pub(super) struct Lifted {
    #[serde(default)]
    account: String,
    #[serde(default)]
    source: String,
}

/// `GET /admin/throttles`.
pub(super) async fn list(admin: Administrator, Query(wanted): Query<Wanted>) -> Response {
    let frame = Frame {
        done: wanted.done.text(),
        ..admin.frame("throttles")
    };
    page(&admin, wanted.after, frame, String::new()).await
}

async fn page(admin: &Administrator, after: String, frame: Frame, source: String) -> Response {
    let listed = match admin.ask(Ask::ThrottleList { after }).await {
        Ok(Reply::Throttles(listed)) => listed,
        Ok(_) => return unexpected(),
        Err(answer) => return answer,
    };
    let page = ThrottlesPage {
        accounts: listed.accounts.iter().map(Line::of).collect(),
        next: listed
            .next
            .as_deref()
            .map(|after| address(THROTTLES, &[("after", after)])),
        lifting: admin.may(Permission::LiftThrottles),
        frame,
        listed,
        source,
    };
    show(&page, &page.frame)
}

/// `POST /admin/throttles`.
pub(super) async fn lift(admin: Administrator, Form(lifted): Form<Lifted>) -> Response {
    let Lifted { account, source } = lifted;
    let ask = match account.is_empty() {
        true => Ask::ThrottleLift {
            source: source.clone(),
        },
        false => Ask::UserUnlock { name: account },
    };
    match admin.take(ask, THROTTLES).await {
        Err(answer) => answer,
        Ok(Ok(_)) => onward(&done(THROTTLES, "lifted")),
        Ok(Err(problem)) => {
            let field = if source.is_empty() { "" } else { "source" };
            let frame = admin.frame("throttles").with(Some(Problem { field, ..problem }));
            page(&admin, String::new(), frame, source).await
        }
    }
}
