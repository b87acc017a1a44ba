//! What a trusted proxy says of a request that it asks about.
//!
//! Knows: `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`, each in one spelling or refused. Must never know: what
//! is answered. From a peer that is no trusted proxy nothing is read.
//!
//! Read next: [`super::proxied`] for who sent the request.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::proxied::{Bad, Connection, Sender};
use crate::settings::reached::authority;

const METHOD: &str = "x-forwarded-method";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const URI: &str = "x-forwarded-uri";

/// Longest method in bytes.
const METHOD_BYTES_MAX: usize = 32;
/// Longest path and query in bytes.
const URI_BYTES_MAX: usize = 8 * 1024;

/// A request that a trusted proxy asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// Who sent it.
    pub(super) client: Sender,
    pub(super) method: Method,
    pub(super) proto: Proto,
    /// Host and perhaps port, in lower case, without the port that `proto` implies.
    pub(super) host: String,
    /// Path and query, beginning with `/`, as the client wrote them.
    pub(super) uri: String,
}

/// How a client reached a proxy. A WebSocket's `ws` and `wss` are the protocols that it began as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proto {
    Http,
    Https,
}

impl Connection {
    /// The request that a trusted proxy asks about; none when the peer is not one.
    ///
    /// # Errors
    /// [`Bad`], unless each of the four headers that describe it is there exactly once and can be read.
    pub(super) fn forwarded(&self, headers: &HeaderMap) -> Result<Option<Forwarded>, Bad> {
        if !self.is_trusted() {
            return Ok(None);
        }
        let proto = proto(once(headers, PROTO)?).ok_or(Bad::Malformed(PROTO))?;
        Ok(Some(Forwarded {
            client: self.sender(headers)?,
            method: method(once(headers, METHOD)?)?,
            proto,
            host: host(once(headers, HOST)?, proto).ok_or(Bad::Malformed(HOST))?,
            uri: uri(once(headers, URI)?)?,
        }))
    }
}

impl Connection {
    /// The host at which a trusted proxy took this very request, in lower case; none when the peer is not one.
    ///
    /// # Errors
    /// [`Bad`], unless protocol and host are there exactly once and can be read.
    pub(super) fn reached_at(&self, headers: &HeaderMap) -> Result<Option<String>, Bad> {
        if !self.is_trusted() {
            return Ok(None);
        }
        let proto = proto(once(headers, PROTO)?).ok_or(Bad::Malformed(PROTO))?;
        host(once(headers, HOST)?, proto)
            .map(Some)
            .ok_or(Bad::Malformed(HOST))
    }
}

/// A header that is there exactly once.
fn once<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Bad> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().ok_or(Bad::Missing(name))?;
    if lines.next().is_some() {
        return Err(Bad::Repeated(name));
    }
    line.to_str().map_err(|_| Bad::Malformed(name))
}

fn proto(text: &str) -> Option<Proto> {
    let is = |name: &&str| text.eq_ignore_ascii_case(name);
    if ["https", "wss"].iter().any(is) {
        return Some(Proto::Https);
    }
    ["http", "ws"].iter().any(is).then_some(Proto::Http)
}

fn method(text: &str) -> Result<Method, Bad> {
    if text.len() > METHOD_BYTES_MAX {
        return Err(Bad::TooLong(METHOD));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| Bad::Malformed(METHOD))
}

fn host(text: &str, proto: Proto) -> Option<String> {
    let implied = match proto {
        Proto::Http => 80,
        Proto::Https => 443,
    };
    authority(text, implied)
}

fn uri(text: &str) -> Result<String, Bad> {
    if text.len() > URI_BYTES_MAX {
        return Err(Bad::TooLong(URI));
    }
    let is_plain = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain.then(|| text.to_owned()).ok_or(Bad::Malformed(URI))
}

/// For fuzzing: what a proxy says is taken in one spelling or refused, and from a stranger nothing is taken.
///
/// Each line of the data is a header's value; its first letter says of which.
pub(super) fn fuzz(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let (name, value) = match line.split_first() {
            Some((b'f', value)) => ("x-forwarded-for", value),
            Some((b'm', value)) => (METHOD, value),
            Some((b'p', value)) => (PROTO, value),
            Some((b'h', value)) => (HOST, value),
            Some((b'u', value)) => (URI, value),
            _ => continue,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let stranger = Connection::over_socket(false);
    assert_eq!(stranger.sender(&headers), Ok(Sender::Socket));
    assert_eq!(stranger.forwarded(&headers), Ok(None));
    let Ok(Some(forwarded)) = Connection::over_socket(true).forwarded(&headers) else {
        return;
    };
    let Forwarded {
        client,
        method,
        proto,
        host,
        uri,
    } = forwarded;
    assert!(!client.network().is_empty() && method.as_str().len() <= METHOD_BYTES_MAX);
    assert_eq!(self::host(&host, proto).as_ref(), Some(&host), "one spelling");
    assert!(uri.starts_with('/') && uri.len() <= URI_BYTES_MAX);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::proxied::tests::{PROXY, headers, over};
    use super::*;

    const ASKED: [(&str, &str); 5] = [
        ("x-forwarded-for", "203.0.113.7"),
        (METHOD, "POST"),
        (PROTO, "https"),
        (HOST, "App.Example.org:443"),
        (URI, "/pay?to=1"),
    ];

    #[test]
    fn request_that_a_trusted_proxy_asks_about_is_read_in_one_spelling() {
        let expected = Forwarded {
            client: Sender::at(IpAddr::from([203, 0, 113, 7])),
            method: Method::POST,
            proto: Proto::Https,
            host: "app.example.org".to_owned(),
            uri: "/pay?to=1".to_owned(),
        };
        assert_eq!(over(PROXY, PROXY).forwarded(&headers(&ASKED)), Ok(Some(expected)));
        assert_eq!(over("192.0.2.1", PROXY).forwarded(&headers(&ASKED)), Ok(None));
        assert_eq!(over("unix", PROXY).forwarded(&headers(&ASKED)), Ok(None));
    }

    #[test]
    fn each_header_that_describes_a_request_is_there_exactly_once() {
        for name in [METHOD, PROTO, HOST, URI] {
            let without: Vec<_> = ASKED.into_iter().filter(|(known, _)| *known != name).collect();
            let refused = over(PROXY, PROXY).forwarded(&headers(&without));
            assert_eq!(refused, Err(Bad::Missing(name)));
            let same = ASKED.into_iter().filter(|(known, _)| *known == name);
            let twice: Vec<_> = ASKED.into_iter().chain(same).collect();
            let refused = over(PROXY, PROXY).forwarded(&headers(&twice));
            assert_eq!(refused, Err(Bad::Repeated(name)));
        }
    }

    #[test]
    fn header_that_describes_no_request_is_refused_and_named() {
        let long = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        let (longest, too_long) = (long(URI_BYTES_MAX), long(URI_BYTES_MAX + 1));
        let with = |name: &'static str, value: &str| {
            let mut changed = headers(&ASKED);
            changed.insert(name, value.parse().expect("a value"));
            over(PROXY, PROXY).forwarded(&changed)
        };
        for (name, value) in [
            (PROTO, "gopher"),
            (PROTO, "https,http"),
            (HOST, ""),
            (HOST, "a@b"),
            (HOST, "a/b"),
            (HOST, "a,b"),
            (HOST, "a:b"),
            (METHOD, ""),
            (METHOD, "GET POST"),
            (URI, ""),
            (URI, "*"),
            (URI, "https://app.example.org/"),
            (URI, "/a b"),
            (URI, "/\u{fc}"),
        ] {
            assert_eq!(with(name, value), Err(Bad::Malformed(name)), "{name}: {value}");
        }
        assert!(with(URI, &longest).is_ok());
        assert_eq!(with(URI, &too_long), Err(Bad::TooLong(URI)));
        assert!(with(METHOD, &"M".repeat(METHOD_BYTES_MAX)).is_ok());
        let refused = with(METHOD, &"M".repeat(METHOD_BYTES_MAX + 1));
        assert_eq!(refused, Err(Bad::TooLong(METHOD)));
        let upgrade = with(PROTO, "wss").map(|asked| asked.map(|asked| asked.proto));
        assert_eq!(upgrade, Ok(Some(Proto::Https)));
    }
}
