//! A browser without a screen: it keeps cookies, posts forms, and reads what came back.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use countersign_auth::command::people::Amendment;
use countersign_auth::role::Role;
use countersign_core::otp::{SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use countersign_server::door::http::{known_as, router};
use countersign_server::service::Service;
use countersign_server::service::operator::{Ask, FirstPassword, Operator, Reply, UserAdded};
use countersign_server::service::post::{Errand, Outbox};
use countersign_server::store::memory::Memory;
use tokio::sync::mpsc::Receiver;
use tower::ServiceExt;
use zeroize::Zeroizing;

use crate::world::{Hands, START, hashing, parts};

pub const PASSWORD: &str = "correct horse battery staple";

/// A server behind its routes, without a socket.
pub struct Site {
    pub hands: Hands,
    pub operator: Operator,
    router: Router,
    pub service: Arc<Service>,
}

impl Site {
    pub fn open() -> Site {
        Site::sending().0
    }

    /// A site that sends mail, and where what it sends is left.
    pub fn sending() -> (Site, Receiver<Errand>) {
        let hands = Hands::new();
        let (outbox, errands) = Outbox::open();
        let mut parts = parts(Arc::new(Memory::default()), &hands, hashing(), "test");
        parts.outbox = outbox;
        let service = Arc::new(Service::start(parts).expect("the service starts"));
        service.issue_as("https://localhost:8443");
        let router = router(service.clone());
        let operator = Operator::new(service.clone());
        let site = Site {
            hands,
            operator,
            router,
            service,
        };
        (site, errands)
    }

    /// Sets somebody's address.
    pub async fn email(&self, name: &str, address: &str) {
        let (name, address) = (name.into(), Some(address.into()));
        let reply = self
            .operator
            .answer(Ask::UserEmail { name, address }, "test")
            .await;
        assert!(matches!(reply, Reply::Done), "{reply:?}");
    }

    /// The same, where an operator has said which address people type.
    pub fn open_at(public_url: &str) -> Site {
        let site = Site::open();
        let router = known_as(site.router.clone(), public_url);
        Site { router, ..site }
    }

    /// The same with a key that signs elevated tokens.
    pub async fn open_signing() -> Site {
        let site = Site::open();
        site.service
            .read_signing_keys()
            .await
            .expect("a first key is made");
        site
    }

    pub fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            cookies: BTreeMap::new(),
        }
    }

    /// Somebody with a password and, where asked, a confirmed authenticator.
    pub async fn person(&self, name: &str, totp: bool) -> UserAdded {
        let ask = Ask::UserAdd {
            name: name.into(),
            groups: Vec::new(),
            password: Some(FirstPassword::Typed(Zeroizing::new(PASSWORD.into()))),
            totp,
        };
        match self.operator.answer(ask, "test").await {
            Reply::UserAdded(added) => added,
            other => panic!("nobody was added: {other:?}"),
        }
    }

    /// Gives somebody a role.
    pub async fn give(&self, name: &str, role: Role) {
        let ask = Ask::UserAmend {
            name: name.into(),
            amendments: vec![Amendment::Role(role)],
        };
        let given = self.operator.answer(ask, "test").await;
        assert!(matches!(given, Reply::Done), "{given:?}");
    }

    /// A ticket for the first administrator.
    pub async fn ticket(&self) -> String {
        match self.operator.answer(Ask::SetupLink, "test").await {
            Reply::Ticket(ticket) => ticket.ticket,
            other => panic!("no ticket: {other:?}"),
        }
    }

    /// Entries in the audit so far: what nothing was done by leaves no trace in.
    pub async fn audit_entries(&self) -> u64 {
        match self
            .operator
            .answer(Ask::AuditVerify { checkpoint: None }, "test")
            .await
        {
            Reply::AuditVerified { entries, .. } => entries,
            other => panic!("no audit: {other:?}"),
        }
    }
}

/// The code a person's authenticator shows so many time steps after the start.
pub fn code(person: &UserAdded, steps: u64) -> String {
    let secret = person.totp_secret.as_deref();
    code_of(secret.expect("an authenticator was asked for"), steps)
}

/// The code of a Base32 secret so many time steps after the start.
pub fn code_of(secret: &str, steps: u64) -> String {
    let secret = SharedSecret::from_base32(secret).expect("the secret is Base32");
    Totp::default()
        .generate(&secret, UnixSeconds(START + 30 * steps))
        .to_string()
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("headers here are text"))
    }

    /// Where it leads, if it does.
    pub fn leads_to(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header(header::LOCATION)
    }

    /// The line that set a cookie.
    pub fn set_cookie(&self, name: &str) -> &str {
        let mut lines = self.headers.get_all(header::SET_COOKIE).iter();
        let line = lines.find(|line| line.as_bytes().starts_with(format!("{name}=").as_bytes()));
        line.map_or("", |line| line.to_str().expect("cookies here are text"))
    }
}

/// A browser on the very site.
pub struct Browser {
    router: Router,
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).expect("a request"))
            .await
    }

    /// The same under another `Host`; the path may be a whole URL.
    pub async fn get_as(&mut self, host: &str, path: &str) -> Answer {
        let request = Request::get(path).header(header::HOST, host);
        self.ask(request.body(Body::empty()).expect("a request")).await
    }

    /// Posts a form from a page of the site itself.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let from = [("sec-fetch-site", "same-origin")];
        self.post_from(&from, path, form).await
    }

    /// Posts a form as a page from elsewhere would.
    pub async fn post_from(&mut self, from: &[(&str, &str)], path: &str, form: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02x}"))
                .collect::<String>()
        };
        let pairs = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        self.post_raw(from, path, "application/x-www-form-urlencoded", body.into())
            .await
    }

    pub async fn post_raw(&mut self, from: &[(&str, &str)], path: &str, media: &str, body: Body) -> Answer {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, "localhost:8443")
            .header(header::CONTENT_TYPE, media);
        for (name, value) in from {
            request = request.header(*name, *value);
        }
        self.ask(request.body(body).expect("a request")).await
    }

    async fn ask(&mut self, mut request: Request<Body>) -> Answer {
        let held = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let held = held.collect::<Vec<_>>().join("; ");
        if !held.is_empty() {
            let value = held.parse().expect("cookies are text");
            request.headers_mut().insert(header::COOKIE, value);
        }
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router answers");
        let (parts, body) = response.into_parts();
        for line in parts.headers.get_all(header::SET_COOKIE) {
            self.keep(line.to_str().expect("cookies here are text"));
        }
        let bytes = to_bytes(body, 1 << 21).await.expect("the body is short");
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).expect("pages are UTF-8"),
        }
    }

    fn keep(&mut self, line: &str) {
        let pair = line.split(';').next().unwrap_or(line);
        let (name, value) = pair.split_once('=').expect("a cookie is a pair");
        if line.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.into(), value.into());
        }
    }

    /// Asks the API with the session's token as a program would.
    pub async fn api(&mut self, method: Method, path: &str, body: Option<serde_json::Value>) -> Answer {
        let token = self.cookies.get("__Host-cs_session").cloned().unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.ask(request.body(body).expect("a request")).await
    }

    /// First factor; the answer.
    pub async fn password(&mut self, name: &str, password: &str) -> Answer {
        self.post("/sign-in", &[("username", name), ("password", password)])
            .await
    }

    /// Both factors, the box for remembering the browser ticked as the page shows it.
    pub async fn sign_in(&mut self, name: &str, code: &str) {
        assert_eq!(self.password(name, PASSWORD).await.leads_to(), "/sign-in/code");
        let answer = self
            .post("/sign-in/code", &[("code", code), ("remember", "yes")])
            .await;
        assert_eq!(answer.leads_to(), "/account");
    }
}
