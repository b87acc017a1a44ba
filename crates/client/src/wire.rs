//! One request to one server over TLS 1.2 or 1.3, within bounds of time and size.
//!
//! Knows: an address, and the authority that the server is trusted by. Must never know: what is asked. Each of
//! the client's requests has a connection of its own; sign-ins are rare. The guard keeps its connections.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use crate::Error;

/// Time for one request, from connecting to the end of the answer.
const TIME_MAX: Duration = Duration::from_secs(30);
/// Longest answer in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A server's address and what it is trusted by.
#[derive(Clone)]
pub struct Server {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
}

/// Why a server can't be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoServer {
    /// The address is not `https://HOST` or `https://HOST:PORT`.
    Address,
    /// The text holds no certificate in PEM, or one that is no authority's.
    Authority,
}

impl fmt::Display for NoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoServer::Address => "a server is named as https://HOST or https://HOST:PORT",
            NoServer::Authority => "the authority is a certificate in PEM, as `countersign trust` prints it",
        })
    }
}

impl std::error::Error for NoServer {}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}:{})", self.host, self.port)
    }
}

/// The sending end of a connection.
pub(crate) type Line = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

/// The driving end of a connection; it ends once its line is dropped.
pub(crate) type Connection =
    hyper::client::conn::http1::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>>;

/// An answer within its bounds.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after_s: Option<u32>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Server {
    /// Names a server by its URL, and the authority that it is trusted by, in PEM.
    ///
    /// # Errors
    /// [`NoServer`].
    pub fn new(url: &str, authority: &str) -> Result<Server, NoServer> {
        let rest = url.strip_prefix("https://").ok_or(NoServer::Address)?;
        let named = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match named.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| NoServer::Address)?)
            }
            _ => (named, 443),
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        ServerName::try_from(host.clone()).map_err(|_| NoServer::Address)?;
        let tls = Arc::new(trusting(authority).ok_or(NoServer::Authority)?);
        Ok(Server { host, port, tls })
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &'static str,
        token: Option<&str>,
        body: Option<serde_json::Value>,
    ) -> Result<Answer, Error> {
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("our paths are paths");
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(HOST, self.host_header()?);
        if let Some(token) = token {
            let text = Zeroizing::new(format!("Bearer {token}"));
            let mut value = HeaderValue::from_str(&text).map_err(|_| Error::Refused)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let late = |_| Error::Unreachable(io::ErrorKind::TimedOut.into());
        timeout(TIME_MAX, self.exchange(request)).await.map_err(late)?
    }

    pub(crate) fn host_header(&self) -> Result<HeaderValue, Error> {
        let host = match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        };
        HeaderValue::from_str(&host).map_err(|_| Error::Unexpected("a host that is no header"))
    }

    /// Opens one connection.
    pub(crate) async fn connect(&self) -> Result<(Line, Connection), Error> {
        let socket = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(Error::Unreachable)?;
        let name = ServerName::try_from(self.host.clone()).map_err(|_| Error::Unexpected("no host name"))?;
        let secured = TlsConnector::from(self.tls.clone())
            .connect(name, socket)
            .await
            .map_err(Error::Unreachable)?;
        hyper::client::conn::http1::handshake(TokioIo::new(secured))
            .await
            .map_err(broken)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let (mut sender, connection) = self.connect().await?;
        let asked = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            let retry_after_s = answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            let status = answer.status();
            Ok(Answer {
                status,
                retry_after_s,
                body: whole(answer.into_body()).await?,
            })
        };
        let mut connection = std::pin::pin!(connection);
        let mut asked = std::pin::pin!(asked);
        tokio::select! {
            answer = &mut asked => answer,
            // The connection may end before its answer was looked at; then the answer is there.
            _ = &mut connection => asked.await,
        }
    }
}

/// The whole of a body within its bound.
pub(crate) async fn whole(body: Incoming) -> Result<Zeroizing<Vec<u8>>, Error> {
    let body = Limited::new(body, ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|_| Error::Unexpected("an answer that is too long or breaks off"))?;
    Ok(Zeroizing::new(body.to_bytes().to_vec()))
}

pub(crate) fn broken(error: hyper::Error) -> Error {
    Error::Unreachable(io::Error::other(error))
}

/// TLS that believes one authority.
fn trusting(authority: &str) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.as_bytes()).ok()?;
    roots.add(certificate).ok()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?;
    Some(config.with_root_certificates(roots).with_no_client_auth())
}
