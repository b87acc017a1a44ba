//! A client of three nodes: it keeps a connection to each, trusts their authorities, and sends nothing twice.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_core::otp::Totp;
use countersign_core::time::UnixSeconds;
use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::NODES;
use super::history::{History, Kind, Outcome};
use crate::world::{PASSWORD, Person};

/// Seconds of a time step.
pub const PERIOD_S: u64 = 30;

/// Where the nodes are, and what they are trusted by.
#[derive(Clone)]
pub struct Addresses {
    pub urls: [String; NODES],
    pub authorities: Arc<Vec<Certificate<'static>>>,
}

/// One client. Its requests go one after another.
pub struct Client<'a> {
    agent: ureq::Agent,
    addresses: &'a Addresses,
    history: &'a History,
}

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    Said(u16, Value),
    /// It was sent, or may have been; no whole answer came.
    Lost,
    /// Nobody was there to send it to.
    NobodyThere,
}

impl Answer {
    /// Whether the server failed its client.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Answer::Said(..=499, _))
    }

    fn outcome(&self) -> Outcome {
        match self {
            Answer::Said(200, _) => Outcome::Accepted,
            Answer::Said(401, _) => Outcome::Refused,
            _ => Outcome::Unknown,
        }
    }
}

impl<'a> Client<'a> {
    pub fn new(addresses: &'a Addresses, history: &'a History) -> Client<'a> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(addresses.authorities.clone()))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .tls_config(tls);
        Client {
            agent: config.build().into(),
            addresses,
            history,
        }
    }

    pub fn post(&self, node: usize, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let mut request = self.agent.post(format!("{}{path}", self.addresses.urls[node]));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(request.send_json(body))
    }

    pub fn get(&self, node: usize, path: &str, token: Option<&str>) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.addresses.urls[node]));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(request.call())
    }

    /// First factor at one node.
    pub fn login(&self, node: usize, name: &str) -> Result<String, Answer> {
        let body = json!({ "username": name, "password": PASSWORD });
        match self.post(node, "/api/auth/login", None, &body) {
            Answer::Said(200, body) => Ok(text(&body["challenge_token"])),
            other => Err(other),
        }
    }

    /// First factor at whichever node answers, beginning with one.
    pub fn login_somewhere(&self, first: usize, name: &str) -> String {
        for turn in 0..10_000 {
            match self.login((first + turn) % NODES, name) {
                Ok(challenge) => return challenge,
                Err(answer) => assert!(answer.is_failure(), "a right password is {answer:?}"),
            }
        }
        panic!("no node answers any more");
    }

    /// Shows a code.
    pub fn present(&self, node: usize, challenge: &str, code: &Code) -> Answer {
        let body = json!({ "challenge_token": challenge, "totp_code": code.digits });
        let begun = self.history.invoke();
        let answer = self.post(node, "/api/auth/verify", None, &body);
        let outcome = match answer.outcome() {
            Outcome::Refused if now_s() >= code.until_s => Outcome::Unknown,
            outcome => outcome,
        };
        self.history
            .returned(&begun, node, Kind::PresentCode, &code.object, outcome);
        answer
    }

    pub fn use_session(&self, node: usize, session: &Session) -> Answer {
        self.recorded(node, Kind::UseSession, &session.object, || {
            self.get(node, "/api/dashboard", Some(&session.token))
        })
    }

    pub fn revoke(&self, node: usize, session: &Session) -> Answer {
        self.recorded(node, Kind::RevokeSession, &session.object, || {
            self.post(node, "/api/auth/logout", Some(&session.token), &json!({}))
        })
    }

    fn recorded(&self, node: usize, kind: Kind, object: &str, ask: impl FnOnce() -> Answer) -> Answer {
        let begun = self.history.invoke();
        let answer = ask();
        self.history
            .returned(&begun, node, kind, object, answer.outcome());
        answer
    }
}

/// A code that no rule but that of single use would refuse.
#[derive(Clone, Debug)]
pub struct Code {
    pub digits: String,
    /// Its name in the history.
    pub object: String,
    /// When it may be refused because it is old.
    pub until_s: u64,
}

impl Code {
    /// A time-based code of so many steps from now, at most one.
    pub fn timed(person: &Person, step: u64) -> Code {
        let digits = Totp::default().generate(&person.secret, UnixSeconds(step * PERIOD_S));
        Code {
            digits: digits.to_string(),
            object: format!("code {step} of {}", person.name),
            // Accepted in its own step and the next; a second less, for two looks at the clock.
            until_s: (step + 2) * PERIOD_S - 1,
        }
    }

    /// A backup code, by its number among its owner's.
    pub fn backup(person: &Person, number: usize, digits: &str) -> Code {
        Code {
            digits: digits.to_owned(),
            object: format!("backup code {number} of {}", person.name),
            until_s: u64::MAX,
        }
    }
}

/// An open session and its name in the history.
#[derive(Clone, Debug)]
pub struct Session {
    pub token: String,
    pub object: String,
}

impl Session {
    /// The session that an accepted code opened; named after the code.
    pub fn opened(answer: &Value, code: &Code) -> Session {
        Session {
            token: text(&answer["session_token"]),
            object: format!("session of {}", code.object),
        }
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("the clock is set").as_secs()
}

fn answer(answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = match answered {
        Ok(response) => response,
        Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            return Answer::NobodyThere;
        }
        Err(_) => return Answer::Lost,
    };
    let status = response.status().as_u16();
    match response.body_mut().read_to_string() {
        Ok(text) => Answer::Said(status, serde_json::from_str(&text).unwrap_or(Value::String(text))),
        Err(_) => Answer::Lost,
    }
}
