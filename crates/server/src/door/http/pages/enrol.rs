//! Enrolment: the secret is shown once, as a picture and as text, or a code is sent; a code confirms it.
//!
//! Knows: how what is offered is shown to its owner. Must never know: a secret after the answer that shows it; a
//! wrong confirming code is asked again without it.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::enrol::{Denied, Enrolment, Granted};
use countersign_auth::session::Level;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::account::Done;
use super::asked::{Arrived, Form};
use super::browsers::Remember;
use super::frame::{Frame, Problem, failed, once, show, to_sign_in};
use super::sign_in::settle;
use super::texting::Texting;
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::door::http::enrol::qr_svg;
use crate::service::Live;
use crate::service::operator::{secret_text, uri};
use crate::service::texting::NoWish;

#[derive(Template)]
#[template(path = "enrol.html")]
struct OfferPage<'a> {
    frame: Frame,
    /// Whether a code of an active factor is owed.
    code_due: bool,
    /// Whether nothing else may be done before.
    must: bool,
    /// Whether codes by text message may be had.
    texts: bool,
    label: &'a str,
    kind: &'a str,
    phone: &'a str,
}

#[derive(Template)]
#[template(path = "scan.html")]
struct ScanPage<'a> {
    frame: Frame,
    /// All three are empty where a code was sent and there is nothing to scan.
    qr: &'a str,
    uri: &'a str,
    groups: Vec<&'a str>,
    backup_codes: Vec<&'a str>,
    replacement: Option<&'a str>,
    minutes: u32,
    digits: u8,
    period_s: u32,
    /// Whether the form asks whether to remember the browser.
    asks: bool,
}

impl ScanPage<'_> {
    fn hint(&self) -> String {
        let shown = match self.uri {
            "" => "The digits of the message",
            _ => "The digits your app shows now",
        };
        let minutes = self.minutes;
        format!("{shown}. You have {minutes} minutes; the code is used up by this.")
    }
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    asks: bool,
    remember: bool,
}

/// What an enrolment begins with.
#[derive(Default, Deserialize)]
pub(super) struct Begin {
    #[serde(default)]
    label: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    code: Zeroizing<String>,
}

/// The confirming code.
#[derive(Deserialize)]
pub(super) struct Code {
    code: Zeroizing<String>,
    #[serde(default)]
    remember: Remember,
}

/// `GET /enrol`.
pub(super) async fn offer(
    State(service): State<Shared>,
    Arrived(live): Arrived,
    Query(done): Query<Done>,
) -> Response {
    let frame = frame(&service, &live).after(done.text());
    offer_page(&service, &live, frame, &Begin::default()).await
}

async fn offer_page(service: &Shared, live: &Live, frame: Frame, typed: &Begin) -> Response {
    let view = match service.view(&live.session.account).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(view)) => view,
    };
    let page = OfferPage {
        frame: frame.texting(Texting::of(service, &view.account, "/enrol")),
        code_due: view.account.has_second_factor(),
        must: service.must_enrol(live),
        texts: service.sends_codes(),
        label: &typed.label,
        kind: &typed.kind,
        phone: &typed.phone,
    };
    show(&page, &page.frame)
}

/// The frame of a page of the enrolment; who may do nothing else gets no menu.
fn frame(service: &Shared, live: &Live) -> Frame {
    let place = if service.must_enrol(live) {
        "enrol"
    } else {
        "factors"
    };
    Frame::of(&live.session, place)
}

/// `POST /enrol`: shows the secret, once, or says that a code was sent.
pub(super) async fn begin(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Arrived(live): Arrived,
    Form(form): Form<Begin>,
) -> Response {
    let wish = match service.wish(&live, &form.kind, &form.phone).await {
        Err(failure) => return failed(&failure),
        Ok(Err(no_wish)) => {
            let frame = frame(&service, &live).with(Some(unwished(no_wish)));
            return offer_page(&service, &live, frame, &form).await;
        }
        Ok(Ok(wish)) => wish,
    };
    let begun = service
        .begin_enrolment(&live, wish, &form.label, &form.code, &origin)
        .await;
    match begun {
        Err(failure) => failed(&failure),
        Ok(Ok(granted)) => once(scan_page(&service, &live, &granted)),
        Ok(Err(denied)) => match Problem::denied(&denied) {
            None => to_sign_in(),
            problem => {
                let frame = frame(&service, &live).with(problem);
                offer_page(&service, &live, frame, &form).await
            }
        },
    }
}

/// What can't be made into a factor.
fn unwished(no_wish: NoWish) -> Problem {
    let status = StatusCode::BAD_REQUEST;
    match no_wish {
        NoWish::Kind => Problem::of(status, "", "Choose one of the two."),
        NoWish::Number(error) => Problem::of(status, "phone", error),
        NoWish::NoNumber => Problem::of(status, "phone", "Give the number that codes are to be sent to."),
    }
}

fn scan_page(service: &Shared, live: &Live, granted: &Granted<Enrolment>) -> Response {
    let enrolment = &granted.given;
    let uri = uri(&enrolment.offer, &live.session.account);
    let secret = secret_text(&enrolment.offer);
    let qr = Zeroizing::new(qr_svg(&uri));
    let parameters = enrolment
        .offer
        .authenticator
        .as_ref()
        .map(|shown| shown.parameters);
    let parameters = parameters.unwrap_or(service.policy().parameters);
    let page = ScanPage {
        frame: frame(service, live),
        qr: &qr,
        uri: &uri,
        groups: groups(&secret),
        backup_codes: enrolment.backup_codes.iter().map(|code| code.as_str()).collect(),
        replacement: granted.replacement_code.as_ref().map(|code| code.as_str()),
        minutes: enrolment.expires_in_s / 60,
        digits: parameters.digits.count(),
        period_s: parameters.time_step.seconds(),
        asks: live.session.standing.level < Level::Two,
    };
    show(&page, &page.frame)
}

/// A secret in groups of four, as people type it.
fn groups(secret: &str) -> Vec<&str> {
    let mut rest = secret;
    let mut groups = Vec::new();
    while let Some((group, more)) = rest.split_at_checked(4) {
        groups.push(group);
        rest = more;
    }
    groups.extend((!rest.is_empty()).then_some(rest));
    groups
}

/// `POST /enrol/confirm`: the session is replaced by one that has two factors.
pub(super) async fn confirm(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    Arrived(live): Arrived,
    Form(form): Form<Code>,
) -> Response {
    origin.remember = form.remember.is_wished();
    let denied = match service.confirm_enrolment(&live, &form.code, &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Ok(signed_in)) => return settle(&signed_in),
        Ok(Err(denied)) => denied,
    };
    match (Problem::denied(&denied), denied) {
        (None, _) => to_sign_in(),
        (problem, Denied::NoFactor) => {
            let frame = frame(&service, &live).with(problem);
            offer_page(&service, &live, frame, &Begin::default()).await
        }
        (problem, _) => {
            let page = ConfirmPage {
                frame: frame(&service, &live).with(problem),
                asks: live.session.standing.level < Level::Two,
                remember: form.remember.is_wished(),
            };
            show(&page, &page.frame)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_shown_in_groups_of_four() {
        assert_eq!(groups("ABCDEFGH"), ["ABCD", "EFGH"]);
        assert_eq!(groups("ABCDEF"), ["ABCD", "EF"]);
        assert!(groups("").is_empty());
    }
}
