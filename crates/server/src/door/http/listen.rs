//! Connections: accepted, wrapped in TLS, bounded in number and time, drained at the stop.
//!
//! Knows: sockets and time-outs, and who may connect. Must never know: routes. A client that is slow in its
//! handshake, its headers, its body or in reading an answer holds one place of many, and not for long.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::asked::RequestId;
use super::patient::Patient;
use super::proxied::{Connection, Sender};
use crate::settings::Proxies;

/// Connections open at once.
const CONNECTIONS_MAX: usize = 8192;
/// Files that connections leave to everything else.
const FILES_KEPT: usize = 256;
/// Time for a TLS handshake.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Time for the headers of a request, and for the silence before it.
const HEADER_TIME_MAX: Duration = Duration::from_secs(10);
/// Time for a request as a whole.
pub(super) const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// Time for which a client may leave an answer unread.
const WRITE_TIME_MAX: Duration = Duration::from_secs(15);
/// Time that open requests get to finish at the stop.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// Most bytes of request line and headers.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;

static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// Connections that may be open at once in a process that may have so many files open: the rest is for the
/// store and its readers.
pub fn places(open_files: Option<u64>) -> usize {
    let files = open_files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    files.saturating_sub(FILES_KEPT).clamp(1, CONNECTIONS_MAX)
}

/// What is listened with.
pub enum Listener {
    /// An address.
    Address(TcpListener),
    /// A socket in the file system.
    Socket(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Either<TcpStream, UnixStream>, Sender)> {
        match self {
            Listener::Address(listener) => {
                let (socket, peer) = listener.accept().await?;
                // Small answers must not wait for more.
                let _ = socket.set_nodelay(true);
                Ok((Either::Left(socket), Sender::at(peer.ip())))
            }
            Listener::Socket(listener) => {
                let (socket, _) = listener.accept().await?;
                Ok((Either::Right(socket), Sender::Socket))
            }
        }
    }
}

/// How connections come in.
pub struct Entrance {
    /// What is listened with.
    pub listener: Listener,
    /// What secures a connection, if anything does.
    pub tls: Option<TlsAcceptor>,
    /// Connections that may be open at once.
    pub places: usize,
    /// Who is believed about where a request came from.
    pub proxies: Arc<Proxies>,
    /// Whether everybody else is turned away.
    pub proxies_alone: bool,
}

impl Entrance {
    /// Who is at the other end, unless that is somebody to be turned away.
    fn admit(&self, peer: Sender) -> Option<Connection> {
        let proxies = self.proxies.clone();
        let connection = Connection { peer, proxies };
        (!self.proxies_alone || connection.is_trusted()).then_some(connection)
    }
}

/// Serves until told to stop, then lets open requests finish.
pub async fn serve(entrance: Entrance, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(entrance.places));
    let open = TaskTracker::new();
    let told = AtomicBool::new(false);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            let place = place.expect("the places are never closed");
            entrance
                .listener
                .accept()
                .await
                .map(|(socket, peer)| (socket, peer, place))
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((socket, peer, place)) => {
                let Some(from) = entrance.admit(peer) else {
                    turned_away(peer, &told);
                    continue;
                };
                let served = connection(socket, from, entrance.tls.clone(), router.clone(), stop.clone());
                open.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    open.close();
    if tokio::time::timeout(DRAIN_TIME_MAX, open.wait()).await.is_err() {
        tracing::warn!("requests were still open at the end of the drain and were dropped");
    }
}

/// Says the first time, loudly, that somebody was turned away: it may be a proxy that nobody named.
fn turned_away(peer: Sender, told: &AtomicBool) {
    let peer = peer.network();
    if told.swap(true, Ordering::Relaxed) {
        tracing::debug!(
            peer,
            "a connection was closed: its peer is not in `trusted_proxies`"
        );
    } else {
        tracing::warn!(
            peer,
            "a connection was closed: without TLS only `trusted_proxies` are served"
        );
    }
}

async fn connection<S>(
    socket: S,
    from: Connection,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match tls {
        None => requests(socket, from, router, stop).await,
        Some(tls) => match tokio::time::timeout(HANDSHAKE_TIME_MAX, tls.accept(socket)).await {
            Ok(Ok(secured)) => requests(secured, from, router, stop).await,
            Ok(Err(error)) => tracing::debug!(peer = from.peer.network(), %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(peer = from.peer.network(), "TLS handshake took too long"),
        },
    }
}

async fn requests<S>(stream: S, from: Connection, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = from.peer;
    let answer = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        let id = format!("{:x}", REQUESTS.fetch_add(1, Ordering::Relaxed));
        request.extensions_mut().insert(from.clone());
        request.extensions_mut().insert(RequestId(id));
        router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(true);
    let stream = Patient::new(stream, WRITE_TIME_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = peer.network(), %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use rustls::server::ResolvesServerCertUsingSni;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tower::layer::layer_fn;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    /// Serves one client that sends this and then falls silent; what it was answered, if within this time the
    /// server is rid of it.
    async fn rid_within(time: Duration, sent: &[u8], tls: Option<TlsAcceptor>) -> Option<String> {
        let router = Router::new()
            .route("/", post(async |body: String| body))
            .layer(layer_fn(crate::door::http::hardened::Hardened));
        let (mut client, server) = duplex(1024);
        let served = tokio::spawn(connection(
            server,
            Connection::over_socket(false),
            tls,
            router,
            CancellationToken::new(),
        ));
        client.write_all(sent).await.expect("the server reads");
        let mut answer = Vec::new();
        let hung_up = tokio::time::timeout(time, client.read_to_end(&mut answer)).await;
        hung_up.ok()?.expect("the server hangs up");
        served.await.expect("no panic");
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_before_or_within_headers_is_borne_for_ten_seconds() {
        for sent in [&b""[..], b"POST / HTTP/1.1\r\nhost: x\r\nx-slow"] {
            assert_eq!(rid_within(HEADER_TIME_MAX - MOMENT, sent, None).await, None);
            let answer = rid_within(HEADER_TIME_MAX + MOMENT, sent, None).await;
            assert!(
                answer.as_ref().is_some_and(|text| !text.contains(" 200 ")),
                "{answer:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_never_ends_is_answered_after_thirty_seconds_and_not_waited_for() {
        let sent = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf";
        assert_eq!(rid_within(REQUEST_TIME_MAX - MOMENT, sent, None).await, None);
        let answer = rid_within(REQUEST_TIME_MAX + MOMENT, sent, None).await;
        assert!(
            answer
                .as_ref()
                .is_some_and(|text| text.starts_with("HTTP/1.1 408 ")),
            "{answer:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn handshake_that_does_not_go_on_is_given_up_after_ten_seconds() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider speaks TLS")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        let tls = || Some(TlsAcceptor::from(Arc::new(config.clone())));
        let sent = b"\x16\x03\x01";
        assert_eq!(rid_within(HANDSHAKE_TIME_MAX - MOMENT, sent, tls()).await, None);
        let answer = rid_within(HANDSHAKE_TIME_MAX + MOMENT, sent, tls()).await;
        assert_eq!(answer.as_deref(), Some(""));
    }

    #[test]
    fn connections_leave_files_to_the_store() {
        assert_eq!(places(None), CONNECTIONS_MAX);
        assert_eq!(places(Some(1 << 20)), CONNECTIONS_MAX);
        assert_eq!(places(Some(1024)), 768);
        assert_eq!(places(Some(64)), 1);
    }
}
