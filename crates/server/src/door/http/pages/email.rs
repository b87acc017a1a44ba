//! The mail address of one's own account: seen, set with a code, and confirmed by the code that is mailed there.
//!
//! Knows: two forms. Must never know: what was mailed.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::enrol::Denied;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::account::Done;
use super::asked::{Form, Settled};
use super::frame::{Frame, Problem, failed, once, onward, show, to_sign_in};
use super::replacement::ReplacementPage;
use super::texting::Texting;
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::service::Live;

/// The page's entry in the menu.
const PLACE: &str = "email";
const WRONG: &str = "That is not the code that was mailed.";
const MALFORMED: &str = "A mailed code has 10 letters and digits.";
const OVER: &str = "That code is over, or was typed wrong too often. Give the address again.";
const NO_MAIL: &str = "No mail is sent from here.";

#[derive(Template)]
#[template(path = "email.html")]
struct EmailPage {
    frame: Frame,
    /// Where mail goes now.
    address: Option<String>,
    /// Where it is to go, and owes a code.
    pending: Option<String>,
    /// Whether mail is sent at all.
    mails: bool,
    has_factor: bool,
    typed: String,
}

/// An address, and the code that is owed for it.
#[derive(Deserialize)]
pub(super) struct Address {
    address: String,
    #[serde(default)]
    code: Zeroizing<String>,
}

/// The code that was mailed.
#[derive(Deserialize)]
pub(super) struct Mailed {
    mailed_code: Zeroizing<String>,
}

/// `GET /account/email`.
pub(super) async fn ask(
    State(service): State<Shared>,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    page(&service, &live, framed(&live).after(done.text()), String::new()).await
}

fn framed(live: &Live) -> Frame {
    Frame::of(&live.session, PLACE)
}

async fn page(service: &Shared, live: &Live, frame: Frame, typed: String) -> Response {
    let account = match service.view(&live.session.account).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(view)) => view.account,
    };
    let now = match service.now() {
        Err(failure) => return failed(&failure),
        Ok(now) => now,
    };
    let pending = account.email_pending.as_ref();
    let pending = pending.filter(|pending| now < pending.expires_at);
    let page = EmailPage {
        frame: frame.texting(Texting::of(service, &account, "/account/email")),
        address: account
            .email
            .as_ref()
            .map(|email| email.address.as_str().to_owned()),
        pending: pending.map(|pending| pending.address.as_str().to_owned()),
        mails: service.sends_mail(),
        has_factor: account.has_second_factor(),
        typed,
    };
    show(&page, &page.frame)
}

/// `POST /account/email`: mails a code to the new address.
pub(super) async fn begin(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Address>,
) -> Response {
    if !service.sends_mail() {
        let problem = Problem::of(StatusCode::NOT_FOUND, "", NO_MAIL);
        return page(&service, &live, framed(&live).with(Some(problem)), form.address).await;
    }
    let begun = service
        .begin_address(&live, &form.address, &form.code, &origin)
        .await;
    let problem = match begun {
        Err(failure) => return failed(&failure),
        Ok(Ok(Ok(granted))) => return mailed(&live, granted.replacement_code),
        Ok(Err(error)) => Some(Problem::of(StatusCode::BAD_REQUEST, "address", error)),
        Ok(Ok(Err(denied))) => Problem::denied(&denied),
    };
    match problem {
        None => to_sign_in(),
        problem => page(&service, &live, framed(&live).with(problem), form.address).await,
    }
}

/// On to the mailed code; a backup code that replaces the one just used is shown on the way.
fn mailed(live: &Live, replacement: Option<Zeroizing<String>>) -> Response {
    let Some(code) = &replacement else {
        return onward("/account/email?done=mailed");
    };
    let page = ReplacementPage {
        frame: Frame::of(&live.session, PLACE),
        title: "A code is on its way",
        code,
        to: "/account/email",
    };
    once(show(&page, &page.frame))
}

/// `POST /account/email/confirm`: mail goes to the new address from now on, and the old one is told.
pub(super) async fn confirm(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Mailed>,
) -> Response {
    let problem = match service.confirm_address(&live, &form.mailed_code, &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Ok(())) => return onward("/account/email?done=email"),
        Ok(Err(denied)) => match denied {
            Denied::Refused => Some(Problem::of(StatusCode::UNAUTHORIZED, "mailed_code", WRONG)),
            Denied::Malformed => Some(Problem::of(StatusCode::BAD_REQUEST, "mailed_code", MALFORMED)),
            Denied::NoFactor => Some(Problem::of(StatusCode::NOT_FOUND, "address", OVER)),
            denied => Problem::denied(&denied),
        },
    };
    match problem {
        None => to_sign_in(),
        problem => page(&service, &live, framed(&live).with(problem), String::new()).await,
    }
}
