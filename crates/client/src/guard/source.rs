//! Countersign as a guard asks it: for keys, about tokens, and for the feed of ended sessions.
//!
//! Knows: three paths, the application's credentials, and connections that are kept between questions. Must never know:
//! what an answer means for anybody.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::bytes::base64;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::refused::Fault;
use crate::wire::{Line, broken, whole};
use crate::{Error, Server};

/// Time for one question, from waiting for room to the end of the answer.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Most questions at a time; further ones wait.
const QUESTIONS_MAX: usize = 64;
/// Most connections that are kept while nothing is asked.
const IDLE_MAX: usize = 8;

/// An application's name and secret, as `countersign app add` shows them once.
pub struct Application {
    basic: HeaderValue,
}

/// Why that is no application's name and secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoApplication;

impl fmt::Display for NoApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an application's name is ASCII without a colon, and its secret is not empty")
    }
}

impl std::error::Error for NoApplication {}

impl Application {
    /// An application by its name and its secret.
    ///
    /// # Errors
    /// [`NoApplication`].
    pub fn new(name: &str, secret: &str) -> Result<Application, NoApplication> {
        let is_name = !name.is_empty() && name.is_ascii() && !name.contains(':');
        if !is_name || secret.is_empty() {
            return Err(NoApplication);
        }
        let both = Zeroizing::new(format!("{name}:{secret}"));
        let spelt: Zeroizing<String> = both
            .as_bytes()
            .chunks(3)
            .flat_map(base64::quartet)
            .collect::<String>()
            .into();
        let basic = Zeroizing::new(format!("Basic {}", *spelt));
        let mut basic = HeaderValue::from_str(&basic).map_err(|_| NoApplication)?;
        basic.set_sensitive(true);
        Ok(Application { basic })
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Application(…)")
    }
}

/// The server, and the connections to it.
pub(crate) struct Source {
    server: Server,
    application: Application,
    idle: Mutex<Vec<Line>>,
    room: Semaphore,
}

impl Source {
    pub(crate) fn new(server: Server, application: Application) -> Source {
        Source {
            server,
            application,
            idle: Mutex::default(),
            room: Semaphore::new(QUESTIONS_MAX),
        }
    }

    /// The set of published keys.
    pub(crate) async fn keys(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.ask(|| self.request(Method::GET, "/.well-known/jwks.json", ""))
            .await
    }

    /// What is known about a token, which needs no escaping: it was read, or is hexadecimal.
    pub(crate) async fn introspect(&self, token: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let form = Zeroizing::new(format!("token={token}"));
        self.ask(|| {
            let mut request = self.request(Method::POST, "/oauth/introspect", &form)?;
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert(CONTENT_TYPE, form);
            Ok(request)
        })
        .await
    }

    /// The feed, over a connection of its own.
    pub(crate) async fn feed(&self) -> Result<Incoming, Fault> {
        let opening = async {
            let mut request = self.request(Method::GET, "/oauth/revocations", "")?;
            let events = HeaderValue::from_static("text/event-stream");
            request.headers_mut().insert(ACCEPT, events.clone());
            let mut line = self.connect().await?;
            let answer = line.send_request(request).await.map_err(broken)?;
            let kind = answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
            let is_feed = kind.is_some_and(|kind| kind.starts_with(events.as_bytes()));
            Ok::<_, Error>((answer.status(), is_feed, answer.into_body()))
        };
        match timeout(TIME_MAX, opening).await {
            Ok(Ok((StatusCode::OK, true, body))) => Ok(body),
            Ok(Ok((StatusCode::OK, false, _))) => Err(Fault::Unexpected),
            Ok(Ok((status, ..))) => Err(fault(status)),
            Ok(Err(error)) => Err(Fault::from(error)),
            Err(_) => Err(Fault::Unreachable),
        }
    }

    async fn ask(
        &self,
        request: impl Fn() -> Result<Request<Full<Bytes>>, Error>,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let asked = async {
            let _room = self
                .room
                .acquire()
                .await
                .map_err(|_| Error::Unexpected("no room"))?;
            // A connection that was kept may have been closed meanwhile. Nothing that is asked here uses anything up,
            // so it is asked again.
            if let Some(line) = self.kept()
                && let Ok(answer) = self.over(line, request()?).await
            {
                return Ok(answer);
            }
            let line = self.connect().await?;
            self.over(line, request()?).await
        };
        match timeout(TIME_MAX, asked).await {
            Ok(Ok((StatusCode::OK, body))) => Ok(body),
            Ok(Ok((status, _))) => Err(fault(status)),
            Ok(Err(error)) => Err(Fault::from(error)),
            Err(_) => Err(Fault::Unreachable),
        }
    }

    fn request(&self, method: Method, path: &'static str, body: &str) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("our paths are paths");
        let headers = request.headers_mut();
        headers.insert(HOST, self.server.host_header()?);
        headers.insert(AUTHORIZATION, self.application.basic.clone());
        Ok(request)
    }

    async fn connect(&self) -> Result<Line, Error> {
        let (line, connection) = self.server.connect().await?;
        // It ends with its line; why it ended is told to whoever sends over it.
        tokio::spawn(async { drop(connection.await) });
        Ok(line)
    }

    /// Sends a request over a line, and keeps the line once the answer was read whole.
    async fn over(
        &self,
        mut line: Line,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Error> {
        line.ready().await.map_err(broken)?;
        let answer: Response<Incoming> = line.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let body = whole(answer.into_body()).await?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(line);
        }
        Ok((status, body))
    }

    fn kept(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(line) = idle.pop() {
            if !line.is_closed() {
                return Some(line);
            }
        }
        None
    }
}

/// What an answer other than 200 means.
fn fault(status: StatusCode) -> Fault {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::ApplicationUnknown,
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Fault::Unreachable,
        _ => Fault::Unexpected,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error {
            Error::Unexpected(_) => Fault::Unexpected,
            _ => Fault::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_is_spelt_as_basic_credentials_and_never_shown() {
        // RFC 7617 §2.
        let application = Application::new("Aladdin", "open sesame").expect("it is one");
        assert_eq!(application.basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{application:?} {:?}", application.basic).contains("QWxh"));
        for (name, secret) in [("", "x"), ("a:b", "x"), ("é", "x"), ("a", "")] {
            assert_eq!(
                Application::new(name, secret).err(),
                Some(NoApplication),
                "{name}"
            );
        }
    }
}
