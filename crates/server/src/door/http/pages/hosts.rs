//! The way to a protected host, as far as it leads over Countersign's own site: sign in, step up where that is asked,
//! and on with a ticket.
//!
//! Knows: what the way is remembered by. Must never know: what the host's proxy asks afterwards; see `forward`.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use countersign_auth::id::{Digest, SessionToken};
use countersign_core::elevation::{Demand, ElevationVerdict, judge};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::asked::{Arrived, Form};
use super::cookies;
use super::frame::{Frame, Problem, failed, message, once, onward, show, to_sign_in};
use super::sign_in::replacement;
use super::texting::Texting;
use crate::door::http::Shared;
use crate::door::http::asked::{Asked, cookie};
use crate::door::http::forward::{Proof, encoded, who};
use crate::service::rules::{Target, Terms, Verdict};
use crate::service::{Live, Service};

#[derive(Template)]
#[template(path = "lead.html")]
struct LeadPage<'a> {
    frame: Frame,
    host: &'a str,
    onward: &'a str,
}

#[derive(Template)]
#[template(path = "host_step_up.html")]
struct StepUpPage<'a> {
    frame: Frame,
    host: &'a str,
}

/// A way as addresses say it.
#[derive(Deserialize)]
pub(super) struct Asking {
    host: String,
    to: String,
    state: String,
    #[serde(default)]
    acr: String,
    max_age: Option<u32>,
    #[serde(default)]
    elevated: bool,
}

/// A way to a protected host.
struct Way {
    host: String,
    to: Target,
    /// Of what the browser holds there.
    state: Digest,
    demand: Demand,
}

impl Way {
    /// Reads a way; none when it leads anywhere but to a protected host.
    fn read(asking: &Asking, service: &Service) -> Option<Way> {
        // The name alone, as rules spell it: a port would be another server's.
        service.rules().now().host(&asking.host)?;
        let proof = Proof {
            acr: asking.acr.clone(),
            max_age: asking.max_age,
            elevated: asking.elevated,
        };
        Some(Way {
            host: asking.host.clone(),
            to: Target::parse(&asking.to).ok()?,
            state: Digest::parse(&asking.state)?,
            demand: proof.demand()?,
        })
    }

    /// The query that leads here once more.
    fn query(&self) -> String {
        let Way { host, state, .. } = self;
        let to = encoded(self.to.as_str());
        format!(
            "host={host}&to={to}&state={state}{}",
            Proof::spelled(&self.demand)
        )
    }

    fn callback(&self, ticket: &SessionToken) -> Zeroizing<String> {
        let (host, to) = (&self.host, encoded(self.to.as_str()));
        let ticket = ticket.expose();
        Zeroizing::new(format!(
            "https://{host}/.countersign/callback?ticket={ticket}&to={to}"
        ))
    }
}

/// Whoever is on the way to a protected host goes on there.
pub(super) fn remembered(headers: &HeaderMap) -> Option<Response> {
    let way = cookie(headers, cookies::NEXT)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%&=".contains(&byte);
    let way = way.bytes().all(is_plain).then(|| onward(&format!("/for?{way}")));
    way.map(|response| cookies::drop(response, cookies::NEXT))
}

/// `GET /for`: signs in, steps up, or leads on.
pub(super) async fn lead(
    State(service): State<Shared>,
    headers: HeaderMap,
    asking: Result<Query<Asking>, QueryRejection>,
) -> Response {
    let Some(way) = asking.ok().and_then(|Query(asking)| Way::read(&asking, &service)) else {
        let text = "This address leads to no application that is protected here.";
        return message("Nowhere to go", Problem::of(StatusCode::BAD_REQUEST, "", text));
    };
    let live = match cookie(&headers, cookies::SESSION) {
        None => None,
        Some(token) => match service.session(token).await {
            Err(failure) => return failed(&failure),
            Ok(live) => live,
        },
    };
    let Some(live) = live else {
        return cookies::remember(to_sign_in(), &way.query());
    };
    if service.must_enrol(&live) {
        return cookies::remember(onward("/enrol"), &way.query());
    }
    onto(&service, &way, &live).await
}

/// Leads a session on to its host, unless more must be proven first.
async fn onto(service: &Service, way: &Way, live: &Live) -> Response {
    let now = match service.now() {
        Ok(now) => now,
        Err(failure) => return failed(&failure),
    };
    let rules = service.rules().now();
    let Some(host) = rules.host(&way.host) else {
        return message(
            "Nowhere to go",
            Problem::of(StatusCode::BAD_REQUEST, "", "The host is no longer protected."),
        );
    };
    if host.judge(&Terms::default(), &who(live), Demand::default(), now) == Verdict::SignInAgain {
        return cookies::remember(onward("/sign-in"), &way.query());
    }
    if judge(&live.standing, &way.demand, now) != ElevationVerdict::Met {
        let texting = match service.view(&live.session.account).await {
            Err(failure) => return failed(&failure),
            Ok(None) => return to_sign_in(),
            Ok(Some(view)) => Texting::of(service, &view.account, &format!("/for?{}", way.query())),
        };
        let frame = Frame::of(&live.session, "").texting(texting);
        return cookies::remember(code_page(frame, &way.host), &way.query());
    }
    let ticket = match service.issue_host_ticket(live, &way.host, way.state).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(ticket)) => ticket,
    };
    let callback = way.callback(&ticket);
    let page = LeadPage {
        frame: Frame::of(&live.session, ""),
        host: &way.host,
        onward: &callback,
    };
    // No redirect: after a form, browsers follow one to another site only where the form's policy names that site.
    let mut response = once(show(&page, &page.frame));
    let refresh = Zeroizing::new(format!("0; url={}", &*callback));
    let mut refresh =
        HeaderValue::from_str(&refresh).expect("a host's name, digits and escapes are printable");
    refresh.set_sensitive(true);
    response.headers_mut().insert("refresh", refresh);
    response
}

fn code_page(frame: Frame, host: &str) -> Response {
    let page = StepUpPage { frame, host };
    show(&page, &page.frame)
}

/// A code.
#[derive(Deserialize)]
pub(super) struct Code {
    code: Zeroizing<String>,
}

/// `POST /for`: the code that the host asks for.
pub(super) async fn step_up(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Arrived(live): Arrived,
    headers: HeaderMap,
    Form(form): Form<Code>,
) -> Response {
    let Some(on) = remembered(&headers) else {
        return onward("/account");
    };
    let elevated = match service.step_up(&live, &form.code, "", &origin).await {
        Err(failure) => return failed(&failure),
        Ok(Err(denied)) => {
            return match Problem::denied(&denied) {
                Some(problem) => {
                    let frame = Frame::of(&live.session, "").with(Some(problem));
                    code_page(frame, "The application")
                }
                None => to_sign_in(),
            };
        }
        Ok(Ok(elevated)) => elevated.stepped_up,
    };
    let session = &elevated.session;
    let left = service.now().map_or(0, |now| session.expires_at.since(now));
    let mut response = match &elevated.replacement_code {
        None => on,
        // The way is still remembered, and goes on from the page that this one leads to.
        Some(code) => replacement(&session.account, code),
    };
    cookies::open_with(&mut response, &elevated.token, left);
    response
}
