//! Forward-auth: what a reverse proxy asks before it lets a request through.
//!
//! Knows: what proxies say and are answered, as docs/protocol/forward-auth.md has it. Must never know: which rule
//! counts or whether it is met; `service::rules` says that.
//!
//! Read next: [`super::forwarded`] for what a proxy says, [`super::entry`] for where it sends a browser.

use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_auth::claim::ClaimValue;
use countersign_auth::name::Name;
use countersign_auth::record::ApiToken;
use countersign_core::elevation::{Demand, ElevationVerdict, Level, Standing};
use countersign_core::time::UnixSeconds;
use serde::Deserialize;
use utoipa::IntoParams;

use super::asked::{bearer, cookie};
use super::forwarded::Forwarded;
use super::openapi::{Always, Forwarding, Judged, Sent};
use super::pages::cookies;
use super::proxied::{Connection, Sender};
use super::step_up::{STEP_UP_URL, owed};
use super::{Shared, answer};
use crate::service::api_tokens::LiveToken;
use crate::service::rules::{Allow, Found, Host, NoQuestion, Question, Target, Terms, Verdict, Who};
use crate::service::{Live, Service};

/// Headers of an answer, so that there is room for all at once.
const HEADERS: usize = 12;
const LOCATION: HeaderName = HeaderName::from_static("x-countersign-location");
const USER: HeaderName = HeaderName::from_static("remote-user");
const GROUPS: HeaderName = HeaderName::from_static("remote-groups");
const ACR: HeaderName = HeaderName::from_static("remote-acr");

/// What must be proven, as addresses say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Proof {
    /// The level, `cs:1` or `cs:2`.
    #[serde(default)]
    pub(super) acr: String,
    /// Most seconds since a factor was proven last.
    pub(super) max_age: Option<u32>,
    /// Whether the session is to be elevated.
    #[serde(default)]
    pub(super) elevated: bool,
}

impl Proof {
    /// The demand; none when it names what nothing reaches.
    pub(super) fn demand(&self) -> Option<Demand> {
        let level = match self.acr.as_str() {
            "" => None,
            acr => Some(Level::parse(acr).filter(|level| *level <= Level::REACHABLE)?),
        };
        Some(Demand {
            elevated: self.elevated,
            level,
            age_s_max: self.max_age,
        })
    }

    /// A demand as an address says it, each part behind a `&`.
    pub(super) fn spelled(demand: &Demand) -> String {
        let acr = demand.level.map(|level| format!("&acr={}", encoded(level.acr())));
        let age = demand.age_s_max.map(|age| format!("&max_age={age}"));
        let elevated = demand.elevated.then(|| "&elevated=true".to_owned());
        [acr, age, elevated].into_iter().flatten().collect()
    }
}

/// Writes every byte that is not unreserved (RFC 3986 §2.3) as `%` and two digits.
pub(super) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Whether a request that a proxy describes may pass; never a redirect.
#[utoipa::path(
    get,
    path = "/forward-auth",
    tag = "forward-auth",
    security((), ("session" = [])),
    params(Proof, Forwarding),
    responses(Judged, Always)
)]
// nginx would take a redirect for a fault.
pub(super) async fn forward_auth(State(service): State<Shared>, request: Request) -> Response {
    // The parts as they came: copies of headers would be most of what this costs.
    let (asked, _) = request.into_parts();
    answered(&service, &asked)
        .await
        .unwrap_or_else(|response| response)
}

/// The same, but a browser is sent to where it can do something about it.
#[utoipa::path(
    get,
    path = "/forward-auth/redirect",
    tag = "forward-auth",
    security((), ("session" = [])),
    params(Proof, Forwarding),
    responses(Judged, Sent, Always)
)]
pub(super) async fn redirecting(State(service): State<Shared>, request: Request) -> Response {
    let (asked, _) = request.into_parts();
    let answered = answered(&service, &asked).await;
    let response = answered.unwrap_or_else(|response| response);
    match response.headers().get(&LOCATION) {
        Some(location) if is_browser(&asked) => {
            (StatusCode::FOUND, [(header::LOCATION, location.clone())]).into_response()
        }
        _ => response,
    }
}

/// Whether whoever is asked about wants a page, and can be sent elsewhere; who shows a token can't.
fn is_browser(asked: &Parts) -> bool {
    let headers = &asked.headers;
    if bearer(headers).is_some() {
        return false;
    }
    let forwarded = Connection::of(&asked.extensions).forwarded(headers);
    let takes_pages = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| text.contains("text/html")));
    takes_pages && matches!(forwarded, Ok(Some(asked)) if matches!(asked.method, Method::GET | Method::HEAD))
}

/// The answer; an error of it is one too.
async fn answered(service: &Service, request: &Parts) -> Result<Response, Response> {
    let asked = Connection::of(&request.extensions).forwarded(&request.headers);
    let asked = asked.map_err(IntoResponse::into_response)?.ok_or_else(no_proxy)?;
    let more = Query::<Proof>::try_from_uri(&request.uri).ok();
    let more = more
        .and_then(|Query(more)| more.demand())
        .ok_or_else(|| answer::bad_request("demand", "acr, max_age or elevated can't be read or reached"))?;
    let question = question(&asked).map_err(unasked)?;
    let rules = service.rules().now();
    let (host, terms) = match rules.find(&question) {
        Found::UnknownHost | Found::NoRule(_) => return Err(denied()),
        Found::Rule(host, rule) => match &rule.allow {
            Allow::Deny => return Err(denied()),
            // What the proxy demands besides, it demands of everybody.
            Allow::Public if more == Demand::default() => {
                return Ok(StatusCode::NO_CONTENT.into_response());
            }
            Allow::Public => (host, &Terms::NONE),
            Allow::SignedIn(terms) => (host, terms),
        },
    };
    let location = location(&question, &asked.uri);
    let Some(caller) = caller(service, question.host(), &request.headers).await? else {
        return Err(sign_in(&location(&terms.demand.and(more))));
    };
    let now = service.now().map_err(|failure| answer::failed(&failure))?;
    Ok(judged(service, host, terms, &caller, more, now, &location))
}

/// What a proxy says, as rules are asked it.
fn question(asked: &Forwarded) -> Result<Question, NoQuestion> {
    let network = match asked.client {
        Sender::Address(address) => address,
        // No network at all, so no rule for one is met.
        Sender::Socket => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    Question::read(&asked.host, &asked.uri, asked.method.as_str(), network)
}

/// Why there is no question.
fn unasked(error: NoQuestion) -> Response {
    match error {
        NoQuestion::Host => answer::bad_request("forwarded", "x-forwarded-host names no host"),
        NoQuestion::Method => answer::bad_request("forwarded", "x-forwarded-method is none"),
        // The client's doing, which the proxy shall tell it.
        NoQuestion::Path(unclear) => {
            let title = "The address can be read in more than one way";
            let why = unclear.to_string();
            answer::problem(StatusCode::FORBIDDEN, "unclear_path", title, &why)
        }
    }
}

/// Where a browser goes to meet a demand, and comes back from.
fn location<'a>(question: &'a Question, uri: &'a str) -> impl Fn(&Demand) -> HeaderValue + 'a {
    move |demand| {
        let to = Target::parse(uri).unwrap_or_else(|_| Target::front());
        let (host, to) = (question.host(), encoded(to.as_str()));
        let text = format!(
            "https://{host}/.countersign/begin?to={to}{}",
            Proof::spelled(demand)
        );
        HeaderValue::from_str(&text).expect("a host's name and escapes are printable")
    }
}

/// Whoever asks for something of a protected host.
enum Caller {
    /// Somebody signed in.
    Session(Live),
    /// A program, in somebody's name.
    Program(LiveToken),
}

impl Caller {
    /// In whose name they ask.
    fn name(&self) -> &Name {
        match self {
            Caller::Session(live) => &live.session.account,
            Caller::Program(LiveToken { token, .. }) => &token.account,
        }
    }

    fn who(&self) -> Who<'_> {
        match self {
            Caller::Session(live) => who(live),
            Caller::Program(LiveToken { token, .. }) => Who {
                groups: &token.groups,
                claims: &token.claims,
                standing: ApiToken::STANDING,
                signed_in_at: None,
            },
        }
    }
}

/// Whoever is signed in at the host by cookie, or shows a token. Who may only enrol a second factor is nobody yet.
async fn caller(service: &Service, host: &str, headers: &HeaderMap) -> Result<Option<Caller>, Response> {
    if let Some(token) = cookie(headers, cookies::SESSION) {
        let live = service.session_at(Some(host), token).await;
        let live = live.map_err(|failure| answer::failed(&failure))?;
        if let Some(live) = live {
            return Ok(Some(live)
                .filter(|live| !service.must_enrol(live))
                .map(Caller::Session));
        }
    }
    let Some(token) = bearer(headers) else {
        return Ok(None);
    };
    let program = service.api_token_at(Some(host), token).await;
    if let Some(program) = program.map_err(|failure| answer::failed(&failure))? {
        return Ok(Some(Caller::Program(program)));
    }
    let identified = service.identify(None, token).await;
    let identified = identified.map_err(|failure| answer::failed(&failure))?;
    Ok(identified.map(|identified| Caller::Session(identified.live)))
}

/// Judges whoever asks.
fn judged(
    service: &Service,
    host: &Host,
    terms: &Terms,
    caller: &Caller,
    more: Demand,
    now: UnixSeconds,
    location: &impl Fn(&Demand) -> HeaderValue,
) -> Response {
    let who = caller.who();
    match host.judge(terms, &who, more, now) {
        Verdict::Pass => passed(caller.name(), &who, now),
        Verdict::SignInAgain => sign_in(&location(&terms.demand.and(more))),
        Verdict::NoGroup => denied(),
        Verdict::NoClaim(name, value) => no_claim(name, value),
        Verdict::StepUp { demand, is_expired } => {
            let verdict = match is_expired {
                true => ElevationVerdict::Expired,
                false => ElevationVerdict::Required,
            };
            let status = match terms.strict_step_up {
                true => StatusCode::UNAUTHORIZED,
                false => StatusCode::FORBIDDEN,
            };
            let url = format!("{}{STEP_UP_URL}", service.issuer());
            let owed = owed(verdict, &demand, status, &url, service.policy().elevation_s);
            let mut response = owed.expect("the demand is not met");
            response.headers_mut().insert(LOCATION, location(&demand));
            response
        }
    }
}

/// Who is signed in, as rules look at it.
pub(super) fn who(live: &Live) -> Who<'_> {
    Who {
        groups: &live.session.groups,
        claims: &live.session.claims,
        standing: Standing {
            level: live.standing.level,
            authenticated_at: live.standing.authenticated_at,
            elevation: live.standing.elevation,
        },
        signed_in_at: Some(live.session.created_at),
    }
}

fn passed(name: &Name, who: &Who<'_>, now: UnixSeconds) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().reserve(HEADERS);
    // Groups with a comma would read as two, so an application never hears of them.
    let groups = who.groups.iter().filter(|group| !group.contains(','));
    let groups: Vec<&str> = groups.map(String::as_str).collect();
    let fields = [
        (USER, name.as_str()),
        (GROUPS, &groups.join(",")),
        (ACR, who.standing.level_at(now).acr()),
    ];
    for (name, text) in fields {
        // Names are UTF-8 without control characters, which a header's value may be (RFC 9110 §5.5).
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn sign_in(location: &HeaderValue) -> Response {
    let title = "Nobody is signed in here";
    let mut response = answer::problem(StatusCode::UNAUTHORIZED, "unauthorized", title, "");
    response.headers_mut().insert(LOCATION, location.clone());
    response
}

pub(super) fn denied() -> Response {
    answer::problem(StatusCode::FORBIDDEN, "denied", "No rule lets this through", "")
}

pub(super) fn no_claim(name: &str, value: &ClaimValue) -> Response {
    let body = serde_json::json!({
        "error": "insufficient privileges",
        "code": "MISSING_CLAIM",
        "required_claim": name,
        "required_value": value,
    });
    (StatusCode::FORBIDDEN, axum::Json(body)).into_response()
}

pub(super) fn no_proxy() -> Response {
    let detail = "name its address in trusted_proxies";
    answer::problem(
        StatusCode::FORBIDDEN,
        "no_proxy",
        "Only a trusted proxy may ask this",
        detail,
    )
}
