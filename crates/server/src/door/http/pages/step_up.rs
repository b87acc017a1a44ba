//! Step-up without a script: a page asks the code, the cookie of the session is renewed, and the person is led on.
//!
//! Knows: the form and where it leads. Must never know: what the elevation is for, beyond the words that are shown.
//! Read next: `destination` for where it may lead.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::bounded;
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::step_up::{SteppedDown, SteppedUp};
use countersign_auth::policy::PURPOSE_CHARS_MAX;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::account::Done;
use super::asked::{Form, Settled};
use super::cookies;
use super::destination::{Destination, address};
use super::frame::{Frame, Problem, failed, message, once, onward, show, to_sign_in};
use super::replacement::ReplacementPage;
use super::texting::Texting;
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::service::Live;

#[derive(Template)]
#[template(path = "step_up.html")]
struct StepUpPage {
    frame: Frame,
    to: Destination,
    purpose: String,
    backup: bool,
    /// The same page for the other kind of code.
    other: String,
}

/// Where it leads, and what for; any text, so that no address is an error.
#[derive(Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    to: String,
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    with: String,
    #[serde(flatten)]
    done: Done,
}

/// The code, and again where it leads and what for.
#[derive(Deserialize)]
pub(super) struct Proof {
    code: Zeroizing<String>,
    #[serde(default)]
    to: String,
    #[serde(default)]
    purpose: String,
}

/// Where a browser is sent for a step-up: the page that leads on to a path of this host. A guard of another host names
/// a path of ours that hands on to it.
pub(in crate::door::http) fn location(to: &str, purpose: &str) -> String {
    address("/step-up", &[("to", to), ("purpose", purpose)])
}

/// `GET /step-up`.
pub(super) async fn ask(
    State(service): State<Shared>,
    Settled(live): Settled,
    Query(wanted): Query<Wanted>,
) -> Response {
    let frame = Frame::of(&live.session, "").after(wanted.done.text());
    page(&service, &live, frame, &wanted).await
}

async fn page(service: &Shared, live: &Live, frame: Frame, wanted: &Wanted) -> Response {
    let account = match service.view(&live.session.account).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(view)) if !view.account.has_second_factor() => return no_factor(),
        Ok(Some(view)) => view.account,
    };
    let to = Destination::of(&wanted.to);
    let purpose = bounded(&wanted.purpose, PURPOSE_CHARS_MAX);
    let backup = wanted.with == "backup";
    let with = if backup { "" } else { "backup" };
    let query = [("to", to.path()), ("purpose", &purpose), ("with", with)];
    let back = address("/step-up", &query[..2]);
    let page = StepUpPage {
        frame: frame.texting(Texting::of(service, &account, &back)),
        other: address("/step-up", &query),
        to,
        purpose,
        backup,
    };
    show(&page, &page.frame)
}

fn no_factor() -> Response {
    let text = "Your account has no authenticator to confirm it by. Connect one first.";
    message("Not yet", Problem::of(StatusCode::CONFLICT, "", text))
}

/// `POST /step-up`: elevates the session, and leads on.
pub(super) async fn take(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Proof>,
) -> Response {
    match service.step_up(&live, &form.code, &form.purpose, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Ok(elevated)) => lead_on(&elevated.stepped_up, &Destination::of(&form.to)),
        Ok(Err(Denied::NoFactor)) => no_factor(),
        Ok(Err(denied)) => match Problem::denied(&denied) {
            None => to_sign_in(),
            problem => {
                let frame = Frame::of(&live.session, "").with(problem);
                let wanted = Wanted {
                    to: form.to,
                    purpose: form.purpose,
                    ..Wanted::default()
                };
                page(&service, &live, frame, &wanted).await
            }
        },
    }
}

/// On to where the person was going; a backup code that replaces the one just used is shown on the way.
fn lead_on(stepped_up: &SteppedUp, to: &Destination) -> Response {
    let session = &stepped_up.session;
    let mut response = match &stepped_up.replacement_code {
        None => onward(to.path()),
        Some(code) => {
            let page = ReplacementPage {
                frame: Frame::of(session, ""),
                title: "Confirmed",
                code,
                to: to.path(),
            };
            once(show(&page, &page.frame))
        }
    };
    let since = session.standing.authenticated_at;
    cookies::open_with(&mut response, &stepped_up.token, session.expires_at.since(since));
    response
}

/// `POST /account/step-down`: gives the elevation back.
pub(super) async fn give_back(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Settled(live): Settled,
) -> Response {
    match service.step_down(&live, &origin).await {
        Err(failure) => failed(&failure),
        Ok(SteppedDown::NoSession) => to_sign_in(),
        Ok(SteppedDown::Done | SteppedDown::NotElevated) => onward("/account?done=lowered"),
    }
}
