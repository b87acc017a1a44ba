//! Countersign as the tests want it: what it answers is set, and what it is asked is counted.
//!
//! Knows: paths and shapes of docs/protocol/tokens.md. Must never know: rules; it says what it was told to say.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use countersign_client::Server;
use countersign_client::guard::{Application, Clock, Guard, Moment, Trust};
use countersign_core::bytes::base64;
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub(crate) const ISSUER: &str = "https://id.example.org";
pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const SID: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
/// "shop:correct horse", as Basic credentials.
const CREDENTIALS: &str = "Basic c2hvcDpjb3JyZWN0IGhvcnNl";

/// A clock that only the test turns.
#[derive(Clone)]
pub(crate) struct Hands(Arc<Mutex<Moment>>);

impl Hands {
    fn at(seconds: u64) -> Hands {
        let moment = Moment {
            unix: Duration::from_secs(seconds),
            steady: Duration::ZERO,
        };
        Hands(Arc::new(Mutex::new(moment)))
    }

    pub(crate) fn turn(&self, milliseconds: u64) {
        let mut moment = self.0.lock().expect("no test panicked over it");
        moment.unix += Duration::from_millis(milliseconds);
        moment.steady += Duration::from_millis(milliseconds);
    }

    /// Sets the time, in whole seconds.
    pub(crate) fn set(&self, seconds: u64) {
        self.0.lock().expect("no test panicked over it").unix = Duration::from_secs(seconds);
    }
}

impl Clock for Hands {
    fn now(&self) -> Moment {
        *self.0.lock().expect("no test panicked over it")
    }
}

#[derive(Default)]
struct State {
    keys: Value,
    /// What is answered about tokens; those that are not here are worth nothing.
    answers: HashMap<String, Value>,
    status: Option<StatusCode>,
    connections: usize,
    keys_asked: usize,
    introspected: usize,
    feeds: Vec<Sender<Bytes>>,
}

/// The stub, and the guards that ask it.
#[derive(Clone)]
pub(crate) struct Stub {
    url: String,
    authority: String,
    state: Arc<Mutex<State>>,
    pub(crate) hands: Hands,
    signer: Arc<Ed25519KeyPair>,
}

type Body = Either<Full<Bytes>, Channel<Bytes>>;

impl Stub {
    /// Starts one with the key `one`, at [`NOW`].
    pub(crate) async fn start() -> Stub {
        let (config, authority) = certified();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let signer = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any seed will do");
        let stub = Stub {
            url: format!("https://localhost:{port}"),
            authority,
            state: Arc::default(),
            hands: Hands::at(NOW),
            signer: signer.into(),
        };
        stub.publish(json!([stub.jwk("one")]));
        let (acceptor, served) = (TlsAcceptor::from(config), stub.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, stub) = (acceptor.clone(), served.clone());
                served.state().connections += 1;
                tokio::spawn(async move {
                    let Ok(secured) = acceptor.accept(socket).await else {
                        return;
                    };
                    let service = service_fn(|request| stub.answer(request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    drop(connection.serve_connection(TokioIo::new(secured), service).await);
                });
            }
        });
        stub
    }

    /// Held for a moment, never while waiting.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked over it")
    }

    /// What a guard trusts this stub by.
    pub(crate) fn trust(&self) -> Trust {
        let server = Server::new(&self.url, &self.authority).expect("a URL and an authority");
        let application = Application::new("shop", "correct horse").expect("a name and a secret");
        Trust::new(server, application, ISSUER).clock(self.hands.clone())
    }

    pub(crate) fn online(&self) -> Guard {
        Guard::online(self.trust())
    }

    /// Publishes these keys from now on.
    pub(crate) fn publish(&self, keys: Value) {
        self.state().keys = json!({ "keys": keys });
    }

    /// Answers so about a token from now on.
    pub(crate) fn tell(&self, token: &str, answer: Value) {
        self.state().answers.insert(token.to_owned(), answer);
    }

    /// Knows nothing of a token from now on.
    pub(crate) fn forget(&self, token: &str) {
        self.state().answers.remove(token);
    }

    /// Answers everything with this status, or as it should.
    pub(crate) fn fail(&self, status: Option<StatusCode>) {
        self.state().status = status;
    }

    /// How often tokens were asked about.
    pub(crate) fn introspected(&self) -> usize {
        self.state().introspected
    }

    /// How often the keys were asked for.
    pub(crate) fn keys_asked(&self) -> usize {
        self.state().keys_asked
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    /// How many feeds were opened and not cut off.
    pub(crate) fn feeds(&self) -> usize {
        self.state().feeds.len()
    }

    /// Says something over all feeds.
    pub(crate) async fn say(&self, text: &str) {
        let mut feeds = std::mem::take(&mut self.state().feeds);
        for feed in &mut feeds {
            feed.send_data(Bytes::copy_from_slice(text.as_bytes()))
                .await
                .expect("the guard listens");
        }
        self.state().feeds.extend(feeds);
    }

    /// Cuts all feeds off.
    pub(crate) fn cut(&self) {
        self.state().feeds.clear();
    }

    /// The key that signs, as it is published under a name.
    pub(crate) fn jwk(&self, key_id: &str) -> Value {
        let x = url_safe(self.signer.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id, "use": "sig", "alg": "EdDSA"})
    }

    /// A token with these claims in place of the usual ones, signed under a key of this name. It is active.
    pub(crate) fn token(&self, key_id: &str, changes: Value) -> String {
        let claims = json!({
            "iss": ISSUER, "sub": "alice", "aud": ISSUER, "exp": NOW + 28_800, "iat": NOW,
            "jti": "00112233445566778899aabbccddeeff", "sid": SID, "auth_time": NOW, "acr": "cs:2",
            "session_acr": "cs:1", "amr": ["pwd", "otp", "mfa"], "elevated": true, "elevation_time": NOW,
            "elevated_until": NOW + 900, "groups": ["staff"], "publisher": true
        });
        let mut claims = claims.as_object().expect("it is one").clone();
        claims.extend(changes.as_object().expect("changes are members").clone());
        let header = format!(r#"{{"alg":"EdDSA","kid":"{key_id}","typ":"at+jwt"}}"#);
        let signed = format!(
            "{}.{}",
            url_safe(header.as_bytes()),
            url_safe(json!(claims).to_string().as_bytes())
        );
        let signature = self.signer.sign(signed.as_bytes());
        let token = format!("{signed}.{}", url_safe(signature.as_ref()));
        self.tell(&token, answer_about(&claims));
        token
    }

    /// A session token of a password alone, which is active.
    pub(crate) fn session(&self) -> String {
        let token = "5e".repeat(48);
        self.tell(&token, session_answer());
        token
    }

    /// An API token, which is active.
    pub(crate) fn api_token(&self) -> String {
        let token = format!("cs_api_{}", "5e".repeat(32));
        self.tell(&token, session_answer());
        token
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let mut state = self.state();
        if let Some(status) = state.status {
            return Ok(written(status, "application/json", Value::Null));
        }
        let is_known = head
            .headers
            .get(AUTHORIZATION)
            .is_some_and(|value| value == CREDENTIALS);
        Ok(match (head.method, head.uri.path()) {
            (Method::GET, "/.well-known/jwks.json") => {
                state.keys_asked += 1;
                written(StatusCode::OK, "application/json", state.keys.clone())
            }
            _ if !is_known => written(StatusCode::UNAUTHORIZED, "application/json", Value::Null),
            (Method::POST, "/oauth/introspect") => {
                state.introspected += 1;
                let token = body.strip_prefix(b"token=").expect("a form");
                let token = std::str::from_utf8(token).expect("a token");
                let inactive = json!({"active": false});
                let answer = state.answers.get(token).cloned().unwrap_or(inactive);
                written(StatusCode::OK, "application/json", answer)
            }
            (Method::GET, "/oauth/revocations") => {
                let (sender, channel) = Channel::new(16);
                state.feeds.push(sender);
                let mut response = Response::new(Either::Right(channel));
                let kind = "text/event-stream".parse().expect("a header");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            (method, path) => panic!("nobody asks {method} {path}"),
        })
    }
}

/// What is answered about the session of a token.
fn answer_about(claims: &Map<String, Value>) -> Value {
    let mut answer = claims.clone();
    let own = json!({"publisher": answer.remove("publisher")});
    answer.extend([("active".into(), json!(true)), ("claims".into(), own)]);
    Value::Object(answer)
}

/// What is answered about a session of a password alone.
pub(crate) fn session_answer() -> Value {
    json!({
        "active": true, "token_type": "Bearer", "iss": ISSUER, "sub": "alice", "username": "alice", "aud": ISSUER,
        "exp": NOW + 28_800, "iat": NOW, "sid": SID, "auth_time": NOW, "acr": "cs:1", "session_acr": "cs:1",
        "amr": ["pwd"], "elevated": false, "groups": ["staff"], "claims": {"publisher": true}
    })
}

fn written(status: StatusCode, kind: &str, body: Value) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(body.to_string()))));
    *response.status_mut() = status;
    let kind = kind.parse().expect("a header");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

pub(crate) fn url_safe(bytes: &[u8]) -> String {
    let spelt: String = bytes.chunks(3).flat_map(base64::quartet).collect();
    spelt.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// TLS under an authority of its own, and that authority in PEM.
fn certified() -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("they go together")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("the key is the certificate's");
    (config.into(), issuer.pem())
}

/// Waits until something holds.
///
/// # Panics
/// After ten seconds.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    let within = Duration::from_secs(10);
    tokio::time::timeout(within, waiting)
        .await
        .expect("it holds within ten seconds");
}
