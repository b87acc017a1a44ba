//! The way in to a protected host, as far as it leads over that host itself: begun there, and ended there by a ticket.
//!
//! Knows: docs/protocol/forward-auth.md, the cookies of a protected host, and where a browser goes. Must never know:
//! which rule counts.
//!
//! Read next: `pages::hosts` for what happens at Countersign in between.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign_auth::id::Digest;
use serde::Deserialize;

use super::asked::{Asked, cookie};
use super::forward::{Proof, denied, encoded, no_proxy};
use super::pages::cookies;
use super::proxied::Connection;
use super::{Shared, answer};
use crate::service::rules::{Target, host_name};
use crate::service::{Service, draw_token};

/// What is asked at protected hosts.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/.countersign/begin", get(begin))
        .route("/.countersign/callback", get(callback))
}

/// Where a way to a protected host begins, and what must be proven on it.
#[derive(Deserialize)]
struct Begin {
    #[serde(default)]
    to: String,
    #[serde(default)]
    acr: String,
    max_age: Option<u32>,
    #[serde(default)]
    elevated: bool,
}

/// The protected host that a request came for, through a proxy.
fn protected(
    service: &Service,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Result<String, Box<Response>> {
    let reached = match Connection::of(extensions).reached_at(headers) {
        Ok(reached) => reached.ok_or_else(|| Box::new(no_proxy()))?,
        Err(bad) => return Err(Box::new(bad.into_response())),
    };
    let host = host_name(&reached).filter(|host| service.rules().now().host(host).is_some());
    host.ok_or_else(|| Box::new(denied()))
}

/// `GET /.countersign/begin`, at a protected host.
async fn begin(
    State(service): State<Shared>,
    extensions: Extensions,
    headers: HeaderMap,
    asked: Result<Query<Begin>, QueryRejection>,
) -> Response {
    let host = match protected(&service, &extensions, &headers) {
        Ok(host) => host,
        Err(response) => return *response,
    };
    let Ok(Query(Begin {
        to,
        acr,
        max_age,
        elevated,
    })) = asked
    else {
        return answer::bad_request("malformed", "the query can't be read");
    };
    let proof = Proof {
        acr,
        max_age,
        elevated,
    };
    let target = match to.as_str() {
        "" => Ok(Target::front()),
        to => Target::parse(to),
    };
    let (Ok(to), Some(demand)) = (target, proof.demand()) else {
        return answer::bad_request(
            "target",
            "`to` is no path of this host, or what must be proven can't be",
        );
    };
    let token = draw_token(&service);
    let (issuer, state) = (service.issuer(), token.digest());
    let (to, proof) = (encoded(to.as_str()), Proof::spelled(&demand));
    let location = format!("{issuer}/for?host={host}&to={to}&state={state}{proof}");
    let mut response = (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    cookies::begin(&mut response, &token);
    response
}

/// What a way to a protected host ends with.
#[derive(Deserialize)]
struct Callback {
    ticket: String,
    #[serde(default)]
    to: String,
}

/// `GET /.countersign/callback`, at a protected host.
async fn callback(
    State(service): State<Shared>,
    Asked(origin): Asked,
    extensions: Extensions,
    headers: HeaderMap,
    asked: Result<Query<Callback>, QueryRejection>,
) -> Response {
    let host = match protected(&service, &extensions, &headers) {
        Ok(host) => host,
        Err(response) => return *response,
    };
    let Ok(Query(Callback { ticket, to })) = asked else {
        return answer::bad_request("malformed", "the query can't be read");
    };
    let Ok(to) = Target::parse(&to) else {
        return answer::bad_request("target", "`to` is no path of this host");
    };
    let over = || {
        let title = "This way in is over, or was begun in another browser";
        answer::problem(
            StatusCode::FORBIDDEN,
            "no_ticket",
            title,
            "open the application once more",
        )
    };
    let Some(begun) = cookie(&headers, cookies::BEGIN) else {
        return over();
    };
    let entered = match service
        .enter_host(&ticket, &host, Digest::of(begun), &origin)
        .await
    {
        Err(failure) => return answer::failed(&failure),
        Ok(None) => return over(),
        Ok(Some(entered)) => entered,
    };
    // With its host, so that no path can be read as another.
    let location = format!("https://{host}{}", to.as_str());
    let mut response = (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    cookies::open_with(&mut response, &entered.token, entered.expires_in_s);
    cookies::drop(response, cookies::BEGIN)
}
