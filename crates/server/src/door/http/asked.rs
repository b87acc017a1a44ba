//! What a request says about itself: who sent it, with which cookies, in which body.
//!
//! Knows: headers and bodies, and how to refuse what can't be read without repeating it. Must never know:
//! what is asked for.

use std::error::Error as _;

use axum::body::{Body as RawBody, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_auth::command::bounded;
use countersign_auth::event::{Door, Origin};
use countersign_auth::id::Digest;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

use super::proxied::Connection;
use super::{BODY_BYTES_MAX, Shared, answer};
use crate::service::Live;

/// The cookie by which a browser that once completed a sign-in is known.
pub(super) const BROWSER_COOKIE: &str = "__Host-cs_browser";

/// Longest description of itself that is kept of a client.
const AGENT_CHARS_MAX: usize = 120;

/// The identifier of this request, put into it by the listener.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// Who asks, for rules and audit.
pub(super) struct Asked(pub(super) Origin);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked, Response> {
        let sender = Connection::of(&parts.extensions).sender(&parts.headers);
        let sender = sender.map_err(IntoResponse::into_response)?;
        let agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        Ok(Asked(Origin {
            door: Door::Http,
            network: sender.network(),
            browser: cookie(&parts.headers, BROWSER_COOKIE).map(Digest::of),
            remember: true,
            agent: bounded(agent, AGENT_CHARS_MAX),
            request: parts
                .extensions
                .get::<RequestId>()
                .map_or_else(String::new, |id| id.0.clone()),
            by: None,
        }))
    }
}

/// The value of a cookie, when exactly one of that name was sent.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The bearer token of a request; the scheme's case does not matter (RFC 9110 §11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A live session shown as a bearer token; everything else is refused before the handler runs.
pub(super) struct Signed(pub(super) Live);

impl FromRequestParts<Shared> for Signed {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Signed, Response> {
        let refuse = || {
            answer::plain_error(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "Unauthorized - please login",
            )
        };
        let token = bearer(&parts.headers).ok_or_else(refuse)?;
        let live = service
            .session(token)
            .await
            .map_err(|failure| answer::failed(&failure))?;
        live.map(Signed).ok_or_else(refuse)
    }
}

/// A live session that may do everything its account may: one that has two factors, where two are required.
pub(super) struct Whole(pub(super) Live);

impl FromRequestParts<Shared> for Whole {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Whole, Response> {
        let Signed(live) = Signed::from_request_parts(parts, service).await?;
        if service.must_enrol(&live) {
            let title = "A second factor must be enrolled first";
            let code = "second_factor_enrolment_required";
            return Err(answer::problem(
                StatusCode::FORBIDDEN,
                code,
                title,
                "POST /auth/totp/setup",
            ));
        }
        Ok(Whole(live))
    }
}

/// The identifier in the path.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Response> {
        // A path that is not UTF-8 names nothing; what it said is not repeated.
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Id(id)),
            Err(_) => Err(answer::not_found().await),
        }
    }
}

/// The two identifiers in the path.
pub(super) struct Two(pub(super) String, pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Two {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Two, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path((first, second))) => Ok(Two(first, second)),
            Err(_) => Err(answer::not_found().await),
        }
    }
}

/// A JSON body of a known shape.
///
/// # Security
/// What could not be read is named by its path and place, never repeated: it may be a password.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Body<T>, Response> {
        if !is_json(request.headers()) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let title = "The body must be JSON";
            return Err(answer::problem(
                status,
                "not_json",
                title,
                "send content-type: application/json",
            ));
        }
        let bytes = read(request.into_body()).await?;
        let parsed = parse(&bytes).map_err(|detail| answer::bad_request("malformed", &detail))?;
        Ok(Body(parsed))
    }
}

/// Reads a body that is JSON of a known shape and nothing else; the error says what is wrong, and where.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    // Elsewhere a list of the members' values would do as well.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err("the body is not a JSON object".to_owned());
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, cause) = (error.path().to_string(), error.into_inner());
        malformed(&path, &cause)
    })?;
    json.end().map_err(|cause| malformed(".", &cause))?;
    Ok(parsed)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    value
        .split(';')
        .next()
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

async fn read(body: RawBody) -> Result<axum::body::Bytes, Response> {
    to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| {
        if error.source().is_some_and(|cause| cause.is::<LengthLimitError>()) {
            let (title, detail) = ("The body is too long", "a body has at most 16384 bytes");
            answer::problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", title, detail)
        } else {
            answer::bad_request("broken_body", "the body broke off or is not framed as announced")
        }
    })
}

fn malformed(path: &str, cause: &serde_json::Error) -> String {
    let place = format!("line {} column {}", cause.line(), cause.column());
    let text = cause.to_string();
    if text.starts_with("unknown field") {
        // What stands last names only the members there are.
        let known = text.rsplit_once(", expected ").map_or("", |(_, known)| known);
        let known = known.rsplit_once(" at line").map_or(known, |(known, _)| known);
        return format!("at {place}: a member is unknown, expected {known}");
    }
    match path {
        "." | "?" => {
            format!("at {place}: a member is missing or twice, or the text is not JSON; see /openapi.json")
        }
        // What lies deeper may be a name that the client chose.
        path => {
            let member = path.split(['.', '[']).next().unwrap_or_default();
            format!("`{member}` at {place} is missing or of another type")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_body_is_told_without_repeating_it() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Shape {
            #[serde(rename = "code")]
            _code: String,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Named {
            #[serde(rename = "names")]
            _names: std::collections::BTreeMap<String, String>,
        }
        let refused = parse::<Shape>(br#"{"my, expected `secret`":1}"#).expect_err("it is unknown");
        let known = "a member is unknown, expected `code`";
        assert_eq!(refused, format!("at line 1 column 24: {known}"));
        let refused = parse::<Shape>(br#"["123456"]"#).expect_err("it is a list");
        assert_eq!(refused, "the body is not a JSON object");
        let of_names = parse::<Named>(br#"{"names":{"my secret":1}}"#).expect_err("it is a number");
        assert_eq!(
            of_names,
            "`names` at line 1 column 23 is missing or of another type"
        );
        let refused = parse::<Shape>(br#"{"code":1}"#).expect_err("it is a number");
        assert_eq!(refused, "`code` at line 1 column 9 is missing or of another type");
    }

    #[test]
    fn cookie_sent_twice_counts_as_none() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=1; b=2".parse().expect("a value"));
        assert_eq!(cookie(&headers, "b"), Some("2"));
        assert_eq!(cookie(&headers, "c"), None);
        headers.append(header::COOKIE, "b=3".parse().expect("a value"));
        assert_eq!(cookie(&headers, "b"), None);
    }

    #[test]
    fn bearer_token_is_taken_from_one_header_of_any_case() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "bEARER abc".parse().expect("a value"));
        assert_eq!(bearer(&headers), Some("abc"));
        headers.append(header::AUTHORIZATION, "Bearer def".parse().expect("a value"));
        assert_eq!(bearer(&headers), None);
    }
}
