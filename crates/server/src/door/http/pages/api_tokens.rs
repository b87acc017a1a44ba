//! Tokens for programs: see them, make one, revoke one.
//!
//! Knows: how a token is shown to its owner, its text once. Must never know: what programs do with it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::enrol::Denied;
use countersign_auth::id::Digest;
use countersign_auth::policy::API_TOKEN_DAYS_MAX;
use countersign_auth::record::ApiToken;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::account::Done;
use super::asked::{Form, Settled};
use super::frame::{Frame, Moment, Problem, failed, message, once, onward, show, to_sign_in};
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::service::Live;
use crate::service::api_tokens::{Unwished, wish};

/// Days that a token lives unless its owner says otherwise.
const DAYS: u32 = 90;

#[derive(Template)]
#[template(path = "api_tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Vec<Shown>,
    label: String,
    days: String,
    days_max: u32,
    hosts: String,
}

/// A token as its owner sees it.
struct Shown {
    id: String,
    label: String,
    made: Moment,
    used: Option<Moment>,
    until: Moment,
    hosts: String,
}

impl Shown {
    fn of((id, token): (Digest, ApiToken)) -> Shown {
        Shown {
            id: id.short(),
            label: token.label,
            made: Moment::of(token.created_at),
            used: token.last_used.map(Moment::of),
            until: Moment::of(token.expires_at),
            hosts: token.hosts.join(", "),
        }
    }
}

#[derive(Template)]
#[template(path = "new_api_token.html")]
struct NewTokenPage<'a> {
    frame: Frame,
    label: &'a str,
    token: &'a str,
    replacement: Option<&'a str>,
}

/// What a token is to be, as it was typed.
#[derive(Deserialize)]
pub(super) struct Wished {
    label: String,
    days: String,
    #[serde(default)]
    hosts: String,
    code: Zeroizing<String>,
}

impl Default for Wished {
    fn default() -> Wished {
        Wished {
            label: String::new(),
            days: DAYS.to_string(),
            hosts: String::new(),
            code: Zeroizing::default(),
        }
    }
}

/// `GET /account/tokens`.
pub(super) async fn list(
    State(service): State<Shared>,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    let frame = Frame {
        done: done.text(),
        ..Frame::of(&live.session, "tokens")
    };
    page(&service, &live, frame, Wished::default()).await
}

async fn page(service: &Shared, live: &Live, frame: Frame, wished: Wished) -> Response {
    let tokens = match service.api_tokens(&live.session.account).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(tokens)) => tokens,
    };
    let page = TokensPage {
        frame,
        tokens: tokens.into_iter().map(Shown::of).collect(),
        label: wished.label,
        days: wished.days,
        days_max: API_TOKEN_DAYS_MAX,
        hosts: wished.hosts,
    };
    show(&page, &page.frame)
}

/// `POST /account/tokens`: the token is shown, once.
pub(super) async fn make(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Wished>,
) -> Response {
    let hosts = form.hosts.split([' ', ',', '\n', '\r']);
    let hosts = hosts.filter(|host| !host.is_empty());
    let again = async |problem: Problem, form: Wished| {
        let frame = Frame::of(&live.session, "tokens").with(Some(problem));
        page(&service, &live, frame, form).await
    };
    // What is no number is no number of days either.
    let wish = match wish(&form.label, form.days.trim().parse().unwrap_or(0), hosts) {
        Ok(wish) => wish,
        Err(why) => return again(unwished(&why), form).await,
    };
    match service.make_api_token(&live, wish, &form.code, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Ok(granted)) => {
            let page = NewTokenPage {
                frame: Frame::of(&live.session, "tokens"),
                label: &granted.given.kept.label,
                token: granted.given.token.expose(),
                replacement: granted.replacement_code.as_ref().map(|code| code.as_str()),
            };
            once(show(&page, &page.frame))
        }
        Ok(Err(denied)) => match denied_token(&denied) {
            None => to_sign_in(),
            Some(problem) => again(problem, form).await,
        },
    }
}

fn unwished(why: &Unwished) -> Problem {
    let field = match why {
        Unwished::NoLabel => "label",
        Unwished::Days => "days",
        Unwished::TooManyHosts | Unwished::Host => "hosts",
    };
    Problem::of(StatusCode::BAD_REQUEST, field, why)
}

fn denied_token(denied: &Denied) -> Option<Problem> {
    let text = match denied {
        Denied::NoFactor => "A token is made by a code. Connect an authenticator first.",
        Denied::TooMany => "You have as many tokens as an account can hold. Revoke one first.",
        denied => return Problem::denied(denied),
    };
    Some(Problem::of(StatusCode::CONFLICT, "", text))
}

/// `POST /account/tokens/{id}/revoke`.
pub(super) async fn revoke(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Asked(origin): Asked,
    Settled(live): Settled,
) -> Response {
    match service.revoke_api_token(&live, &id, &origin).await {
        Err(failure) => failed(&failure),
        Ok(true) => onward("/account/tokens?done=revoked"),
        Ok(false) => {
            let text = "There is no such token. It may have been revoked already, or be over.";
            message("Gone", Problem::of(StatusCode::NOT_FOUND, "", text))
        }
    }
}
