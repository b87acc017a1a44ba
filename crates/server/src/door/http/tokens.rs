//! What guards ask: the public keys, about a token, and which sessions ended.
//!
//! Knows: bodies, statuses and the applications' own authentication. Must never know: rules. Everything here is
//! docs/protocol/tokens.md.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use countersign_auth::claim::Claims;
use countersign_auth::name::Name;
use countersign_auth::record::ApiToken;
use countersign_core::elevation::Level;
use countersign_core::time::UnixSeconds;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::asked::Asked;
use super::openapi::{Always, ByApplication, WithForm};
use super::{Shared, answer};
use crate::service::api_tokens::LiveToken;
use crate::service::elevation::Identified;
use crate::service::{Failure, Service};

/// How often the feed of ended sessions says that it is still there.
const FEED_BEAT: Duration = Duration::from_millis(500);

/// A set of public keys (RFC 7517 §5).
#[derive(Serialize, ToSchema)]
struct KeySet {
    keys: Vec<PublicKey>,
}

/// A public key of Ed25519 (RFC 8037 §2).
#[derive(Serialize, ToSchema)]
struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
}

impl PublicKey {
    fn of((kid, public): (String, Vec<u8>)) -> PublicKey {
        PublicKey {
            kty: "OKP",
            crv: "Ed25519",
            x: BASE64URL_NOPAD.encode(&public),
            kid,
            usage: "sig",
            alg: "EdDSA",
        }
    }
}

/// The public keys by which elevated tokens are verified.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "tokens",
    responses((status = 200, description = "An RFC 7517 set", body = KeySet), Always)
)]
pub(super) async fn jwks(State(service): State<Shared>) -> Response {
    match service.published_keys() {
        Err(failure) => answer::failed(&failure),
        Ok(keys) => {
            let keys = keys.into_iter().map(PublicKey::of).collect();
            let cached = (header::CACHE_CONTROL, "max-age=300");
            ([cached], Json(KeySet { keys })).into_response()
        }
    }
}

/// What this server is, for those who discover it (RFC 8414, RFC 9470 §7).
#[derive(Serialize, ToSchema)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 1],
    response_types_supported: [&'static str; 0],
    acr_values_supported: Vec<&'static str>,
}

/// What this server is, for those who discover it.
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "tokens",
    responses((status = 200, description = "RFC 8414 metadata", body = Metadata), Always)
)]
pub(super) async fn metadata(State(service): State<Shared>) -> Response {
    let issuer = service.issuer().to_owned();
    let reachable = Level::ALL.into_iter().filter(|level| *level <= Level::REACHABLE);
    Json(Metadata {
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        introspection_endpoint: format!("{issuer}/oauth/introspect"),
        introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
        response_types_supported: [],
        acr_values_supported: reachable.map(Level::acr).collect(),
        issuer,
    })
    .into_response()
}

/// An application that is known by its name and secret (RFC 6749 §2.3.1).
pub(super) struct Application(pub(super) Name);

impl FromRequestParts<Shared> for Application {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Application, Response> {
        let Asked(origin) = Asked::from_request_parts(parts, service).await?;
        let refuse = || {
            let mut response = answer::problem(
                StatusCode::UNAUTHORIZED,
                "unknown_application",
                "The application is not known by this name and secret",
                "",
            );
            let basic = HeaderValue::from_static("Basic realm=\"applications\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            response
        };
        let shown = basic(&parts.headers).ok_or_else(refuse)?;
        let (name, secret) = shown.split_once(':').ok_or_else(refuse)?;
        match service.knows_application(name, secret, &origin).await {
            Err(failure) => Err(answer::failed(&failure)),
            Ok(None) => Err(refuse()),
            Ok(Some(name)) => Ok(Application(name)),
        }
    }
}

/// Name and secret of RFC 7617, with a colon between.
fn basic(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (scheme, shown) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = Zeroizing::new(BASE64.decode(shown.trim().as_bytes()).ok()?);
    std::str::from_utf8(&bytes)
        .ok()
        .map(|text| Zeroizing::new(text.to_owned()))
}

/// A token to be told about.
#[derive(Deserialize, ToSchema)]
pub(super) struct Introspect {
    #[schema(value_type = String)]
    token: Zeroizing<String>,
}

/// What is told of a token (RFC 7662 §2.2).
#[derive(Serialize, ToSchema)]
struct Introspected {
    /// Whether it is worth anything now; nothing else is told where it is not.
    active: bool,
    #[serde(flatten)]
    told: Option<Told>,
}

/// What is told of a token that is worth something.
#[derive(Serialize, ToSchema)]
struct Told {
    token_type: &'static str,
    iss: String,
    sub: String,
    username: String,
    aud: String,
    /// When the session ends at the latest, in Unix seconds.
    #[schema(value_type = u64)]
    exp: UnixSeconds,
    #[schema(value_type = u64)]
    iat: UnixSeconds,
    sid: String,
    #[schema(value_type = u64)]
    auth_time: UnixSeconds,
    /// The level at this moment.
    acr: &'static str,
    /// The level of the session without its elevation.
    session_acr: &'static str,
    amr: Vec<String>,
    /// Whether an elevation is on.
    elevated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, nullable = false, required = false)]
    elevation_time: Option<UnixSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, nullable = false, required = false)]
    elevated_until: Option<UnixSeconds>,
    groups: Vec<String>,
    /// The account's own claims.
    #[schema(value_type = Object)]
    claims: Claims,
}

impl Told {
    fn of(identified: &Identified, issuer: &str) -> Told {
        let (session, standing, now) = (&identified.live.session, identified.standing(), identified.now);
        let name = session.account.to_string();
        Told {
            token_type: "Bearer",
            iss: issuer.to_owned(),
            sub: name.clone(),
            username: name,
            aud: issuer.to_owned(),
            exp: session.expires_at,
            iat: identified.made_at.unwrap_or(session.created_at),
            sid: identified.live.id.to_string(),
            auth_time: standing.authenticated_at,
            acr: standing.level_at(now).acr(),
            session_acr: standing.level.acr(),
            amr: session.methods.clone(),
            elevated: standing.elevation.is_some_and(|elevation| elevation.is_on(now)),
            elevation_time: standing.elevation.map(|elevation| elevation.since),
            elevated_until: standing.elevation.map(|elevation| elevation.until),
            groups: session.groups.clone(),
            claims: session.claims.clone(),
        }
    }
}

impl Told {
    fn of_program(LiveToken { id, token }: &LiveToken, issuer: &str) -> Told {
        let name = token.account.to_string();
        Told {
            token_type: "Bearer",
            iss: issuer.to_owned(),
            sub: name.clone(),
            username: name,
            aud: issuer.to_owned(),
            exp: token.expires_at,
            iat: token.created_at,
            sid: id.to_string(),
            // Nobody gave a proof with it; every reader of times takes this one for too old.
            auth_time: UnixSeconds(0),
            acr: ApiToken::STANDING.level.acr(),
            session_acr: ApiToken::STANDING.level.acr(),
            amr: Vec::new(),
            elevated: false,
            elevation_time: None,
            elevated_until: None,
            groups: token.groups.clone(),
            claims: token.claims.clone(),
        }
    }
}

/// Tells an application about a token (RFC 7662).
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    tag = "tokens",
    security(("application" = [])),
    request_body(content = Introspect, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What it is worth", body = Introspected),
        WithForm,
        ByApplication,
        Always
    )
)]
pub(super) async fn introspect(
    State(service): State<Shared>,
    _: Application,
    form: Result<Form<Introspect>, FormRejection>,
) -> Response {
    let Form(asked) = match form {
        Ok(form) => form,
        Err(rejection) => return no_form(&rejection),
    };
    match told(&service, &asked.token).await {
        Err(failure) => answer::failed(&failure),
        Ok(told) => {
            let active = told.is_some();
            Json(Introspected { active, told }).into_response()
        }
    }
}

async fn told(service: &Service, token: &str) -> Result<Option<Told>, Failure> {
    let issuer = service.issuer();
    if let Some(program) = service.api_token_at(None, token).await? {
        return Ok(Some(Told::of_program(&program, issuer)));
    }
    let identified = service.identify(None, token).await?;
    Ok(identified.map(|identified| Told::of(&identified, issuer)))
}

fn no_form(rejection: &FormRejection) -> Response {
    let title = "The form can't be used";
    let detail = "send one member, token, as application/x-www-form-urlencoded";
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => answer::problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_long",
            "The body is too long",
            "a body has at most 16384 bytes",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            answer::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_form", title, detail)
        }
        _ => answer::bad_request("malformed", detail),
    }
}

/// Names every session that ends, on whatever node, as long as it is listened to.
#[utoipa::path(
    get,
    path = "/oauth/revocations",
    tag = "tokens",
    security(("application" = [])),
    responses(
        (
            status = 200,
            description = "A comment at least twice a second, and `event: ended` with a `sid` for each",
            body = String,
            content_type = "text/event-stream"
        ),
        ByApplication,
        Always
    )
)]
pub(super) async fn revocations(State(service): State<Shared>, _: Application) -> Response {
    let ends = match service.hear_ends() {
        Ok(ends) => ends,
        Err(failure) => return answer::failed(&failure),
    };
    let beat = tokio::time::interval(FEED_BEAT);
    let feed = Feed { service, ends, beat };
    let events = futures_util::stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    Sse::new(events).into_response()
}

/// Ends of sessions as one application hears of them.
struct Feed {
    service: Shared,
    ends: broadcast::Receiver<countersign_auth::id::Digest>,
    beat: tokio::time::Interval,
}

impl Feed {
    /// The next thing to say; none when this node hears nothing itself, or the application fell behind.
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            ended = self.ends.recv() => match ended {
                Ok(id) => Some(Event::default().event("ended").data(id.to_string())),
                Err(RecvError::Lagged(_) | RecvError::Closed) => None,
            },
            _ = self.beat.tick() => {
                self.service.still_hears().ok()?;
                Some(Event::default().comment("on"))
            }
        }
    }
}
