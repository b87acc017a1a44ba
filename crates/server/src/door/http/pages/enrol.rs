//! Enrolment: the secret is shown once, as a picture and as text, and confirmed by a code of it.
//!
//! Knows: how a secret is shown to its owner. Must never know: a secret after the answer that shows it; a
//! wrong confirming code is asked again without it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_auth::command::enrol::{Denied, Enrolment, Granted};
use countersign_auth::session::Level;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::asked::{Arrived, Form};
use super::browsers::Remember;
use super::frame::{Frame, Problem, failed, once, show, to_sign_in};
use super::sign_in::settle;
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::door::http::enrol::qr_svg;
use crate::service::Live;
use crate::service::operator::uri;

#[derive(Template)]
#[template(path = "enrol.html")]
struct OfferPage<'a> {
    frame: Frame,
    /// Whether a code of an active factor is owed.
    code_due: bool,
    /// Whether nothing else may be done before.
    must: bool,
    label: &'a str,
}

#[derive(Template)]
#[template(path = "scan.html")]
struct ScanPage<'a> {
    frame: Frame,
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

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    asks: bool,
    remember: bool,
}

/// What an enrolment begins with.
#[derive(Deserialize)]
pub(super) struct Begin {
    #[serde(default)]
    label: String,
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
pub(super) async fn offer(State(service): State<Shared>, Arrived(live): Arrived) -> Response {
    offer_page(&service, &live, "", None).await
}

async fn offer_page(service: &Shared, live: &Live, label: &str, problem: Option<Problem>) -> Response {
    let view = match service.view(&live.session.account).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(view)) => view,
    };
    let page = OfferPage {
        frame: frame(service, live).with(problem),
        code_due: view.account.has_second_factor(),
        must: service.must_enrol(live),
        label,
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
    Frame::of(&live.session.account, place)
}

/// `POST /enrol`: shows the secret, once.
pub(super) async fn begin(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Arrived(live): Arrived,
    Form(form): Form<Begin>,
) -> Response {
    let begun = service
        .begin_enrolment(&live, &form.label, &form.code, &origin)
        .await;
    match begun {
        Err(failure) => failed(&failure),
        Ok(Ok(granted)) => once(scan_page(&service, &live, &granted)),
        Ok(Err(denied)) => match Problem::denied(&denied) {
            None => to_sign_in(),
            problem => offer_page(&service, &live, &form.label, problem).await,
        },
    }
}

fn scan_page(service: &Shared, live: &Live, granted: &Granted<Enrolment>) -> Response {
    let enrolment = &granted.given;
    let uri = Zeroizing::new(uri(enrolment, &live.session.account));
    let secret = Zeroizing::new(enrolment.secret.to_base32().to_string());
    let qr = Zeroizing::new(qr_svg(&uri));
    let page = ScanPage {
        frame: frame(service, live),
        qr: &qr,
        uri: &uri,
        groups: groups(&secret),
        backup_codes: enrolment.backup_codes.iter().map(|code| code.as_str()).collect(),
        replacement: granted.replacement_code.as_ref().map(|code| code.as_str()),
        minutes: enrolment.expires_in_s / 60,
        digits: enrolment.parameters.digits.count(),
        period_s: enrolment.parameters.time_step.seconds(),
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
        (problem, Denied::NoFactor) => offer_page(&service, &live, "", problem).await,
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
