//! The guard: who calls an application's operation, and whether they have proven enough for it.
//!
//! Knows: elevated tokens by the server's published keys, sessions by the server's word or its feed, and that nothing
//! is let through undecided. Must never know: passwords, codes, or rules of its own: whether a standing is enough is
//! decided by `countersign_core::elevation`, here as in the server. Read [`Guard`] first, then `token` (which tokens
//! are believed), `feed` (until when), `posture` (what a route demands) and, for routes, `routes`.
//!
//! ```
//! use countersign_client::Server;
//! use countersign_client::guard::{Application, Guard, Posture, Trust};
//!
//! # async fn pays(authority: &str, secret: &str, header: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new("https://sign-in.example", authority)?;
//! let application = Application::new("shop", secret)?;
//! let guard = Guard::online(Trust::new(server, application, "https://sign-in.example"));
//!
//! let person = guard.check(header, &Posture::elevated()).await?;
//! println!("{} pays", person.name());
//! # Ok(())
//! # }
//! ```

mod answers;
mod clock;
mod feed;
mod json;
mod keys;
mod layer;
mod person;
mod posture;
mod refused;
#[cfg(feature = "axum")]
mod routes;
mod source;
mod token;
#[cfg(feature = "axum")]
mod who;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};

use self::answers::Answers;
use self::feed::{Events, Feed, Heard};
use self::keys::{Keys, Known};
use self::person::{Introspected, is_lower_hexadecimal, of_answer};
use self::source::Source;
use self::token::{Algorithm, Envelope};
use crate::Server;

pub use self::clock::{Clock, Moment};
pub use self::layer::{GuardLayer, Guarded};
pub use self::person::{NotTheirs, Person};
pub use self::posture::{Posture, StepUpStatus};
pub use self::refused::{Answer, Fault, Refused};
#[cfg(feature = "axum")]
pub use self::routes::Routes;
pub use self::source::{Application, NoApplication};
pub use self::token::Flaw;
#[doc(hidden)]
pub use self::token::fuzz;
#[cfg(feature = "axum")]
pub use self::who::{Claim, Denied, Elevated, RequiredClaim, Session};

/// Hexadecimal digits of a session token.
const SESSION_TOKEN_DIGITS: usize = 96;
/// What an API token begins with, and its hexadecimal digits behind that.
const API_TOKEN: (&str, usize) = ("cs_api_", 64);
/// Shortest shared key in bytes.
const SHARED_KEY_BYTES_MIN: usize = 32;
/// Where a code is shown, on Countersign's own host.
const STEP_UP_PATH: &str = "/auth/totp/step-up";
/// A feed that says nothing for so long is opened anew.
const FEED_SILENCE_MAX: Duration = Duration::from_secs(5);
/// Between two attempts to open the feed; doubled from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Whom a guard trusts, and what it is called there.
#[must_use]
pub struct Trust {
    source: Source,
    issuer: String,
    audience: String,
    algorithm: Algorithm,
    step_up_url: String,
    step_up_status: StepUpStatus,
    clock: Box<dyn Clock>,
}

/// A key that is too short to be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortKey;

impl std::fmt::Display for ShortKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a shared key has at least {SHARED_KEY_BYTES_MIN} bytes")
    }
}

impl std::error::Error for ShortKey {}

impl Trust {
    /// Trusts a server, under this name, for tokens of this issuer: the server's `public_url`.
    pub fn new(server: Server, application: Application, issuer: &str) -> Trust {
        let issuer = issuer.trim_end_matches('/').to_owned();
        Trust {
            source: Source::new(server, application),
            audience: issuer.clone(),
            issuer,
            algorithm: Algorithm::EdDsa,
            step_up_url: STEP_UP_PATH.to_owned(),
            step_up_status: StepUpStatus::default(),
            clock: Box::new(clock::Machine::new()),
        }
    }

    /// Takes tokens for this audience, in place of the issuer itself.
    pub fn audience(self, audience: impl Into<String>) -> Trust {
        let audience = audience.into();
        Trust { audience, ..self }
    }

    /// Takes tokens that are signed with HS256 under this key, and no others, where the server is set to sign so.
    ///
    /// # Errors
    /// [`ShortKey`].
    ///
    /// # Security
    /// Whoever holds the key can make any token.
    pub fn shared_key(self, key: &[u8]) -> Result<Trust, ShortKey> {
        if key.len() < SHARED_KEY_BYTES_MIN {
            return Err(ShortKey);
        }
        let algorithm = Algorithm::Hs256(hmac::Key::new(hmac::HMAC_SHA256, key).into());
        Ok(Trust { algorithm, ..self })
    }

    /// Tells clients to show a code there, in place of the path on the application's own host.
    pub fn step_up_url(self, url: impl Into<String>) -> Trust {
        let step_up_url = url.into();
        Trust { step_up_url, ..self }
    }

    /// Refuses operations whose demand is not met by this status, where a route names no other.
    pub fn step_up_status(self, status: StepUpStatus) -> Trust {
        Trust {
            step_up_status: status,
            ..self
        }
    }

    /// Tells the time by another clock than the machine's.
    pub fn clock(self, clock: impl Clock) -> Trust {
        let clock = Box::new(clock);
        Trust { clock, ..self }
    }
}

/// Guards operations. Clones are the same guard.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
}

struct Inner {
    trust: Trust,
    keys: Keys,
    answers: Answers,
    feed: Option<Feed>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("issuer", &self.inner.trust.issuer)
            .field("audience", &self.inner.trust.audience)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard that asks about each token, or asked at most half a second ago.
    pub fn online(trust: Trust) -> Guard {
        Guard::new(trust, None)
    }

    /// A guard that checks elevated tokens by itself while it hears which sessions ended, and the future that listens
    /// and never ends: spawn it, as in `tokio::spawn(feed)`. While it does not run, the guard is as good as one that is
    /// [`online`](Guard::online), and as slow.
    pub fn by_feed(trust: Trust) -> (Guard, impl Future<Output = ()> + Send + 'static) {
        let guard = Guard::new(trust, Some(Feed::default()));
        (guard.clone(), async move { guard.listen().await })
    }

    fn new(trust: Trust, feed: Option<Feed>) -> Guard {
        let inner = Inner {
            trust,
            keys: Keys::default(),
            answers: Answers::default(),
            feed,
        };
        Guard { inner: inner.into() }
    }

    /// Who calls, by the value of their `Authorization` header, if they meet a posture.
    ///
    /// # Errors
    /// [`Refused`]; [`answer`](Guard::answer) says how to tell it.
    pub async fn check(&self, authorization: Option<&str>, posture: &Posture) -> Result<Person, Refused> {
        let token = authorization.and_then(bearer).ok_or(Refused::SignInDue)?;
        let person = self.identify(token).await?;
        self.judge(&person, posture)?;
        Ok(person)
    }

    /// Who holds a token: a session token, an elevated one, or an API token.
    ///
    /// # Errors
    /// [`Refused::Worthless`] and [`Refused::Undecided`].
    pub async fn identify(&self, token: &str) -> Result<Person, Refused> {
        if is_opaque(token) {
            return self.ask(token, &digest_of(token)).await;
        }
        let envelope = Envelope::open(token).map_err(Refused::Worthless)?;
        let claims = self.verified(envelope).await?;
        let Inner { trust, feed, .. } = &*self.inner;
        let judged = claims.judged(&trust.issuer, &trust.audience, self.now().seconds());
        let (person, issued_at) = judged.map_err(Refused::Worthless)?;
        let digest = digest_of(token);
        let Some(feed) = feed else {
            return self.ask_for(person, token, &digest).await;
        };
        match feed.judge(&digest, &person.session_id, issued_at, self.now()) {
            Heard::Alive => Ok(person),
            Heard::Ended => Err(Refused::Worthless(Flaw::Ended)),
            Heard::Ask(ticket) => {
                let until = person.signed_in_until;
                let person = self.ask_for(person, token, &digest).await?;
                if let Some(ticket) = ticket {
                    feed.keep(ticket, digest, until, self.now());
                }
                Ok(person)
            }
        }
    }

    /// Whether somebody meets a posture at this moment.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge(&self, person: &Person, posture: &Posture) -> Result<(), Refused> {
        posture.judge(person, self.now().seconds())
    }

    /// How a refusal is told, by the status that the guard was given, or another.
    pub fn answer(&self, refused: &Refused, status: Option<StepUpStatus>) -> Answer {
        let trust = &self.inner.trust;
        refused.answer(&trust.step_up_url, status.unwrap_or(trust.step_up_status))
    }

    fn now(&self) -> Moment {
        self.inner.trust.clock.now()
    }

    /// The claims of a token whose signature verifies.
    async fn verified(&self, envelope: Envelope<'_>) -> Result<person::Claims, Refused> {
        let algorithm = &self.inner.trust.algorithm;
        if !envelope.is_signed_by(algorithm) {
            return Err(Refused::Worthless(Flaw::Header));
        }
        let claims = match algorithm {
            Algorithm::Hs256(key) => envelope.authenticated(key),
            Algorithm::EdDsa => {
                let key = self.key(&envelope.key_id).await?;
                envelope.verified(&key)
            }
        };
        claims.map_err(Refused::Worthless)
    }

    /// A published key. Whoever finds that the set must be asked for, asks; the others wait and look again.
    async fn key(&self, key_id: &str) -> Result<keys::VerifyingKey, Refused> {
        let keys = &self.inner.keys;
        let mut known = keys.find(key_id, self.now());
        if known == Known::Ask {
            let _asking = keys.asking.lock().await;
            known = keys.find(key_id, self.now());
            if known == Known::Ask {
                let asked_at = self.now();
                keys.asked(asked_at);
                let set = self.inner.trust.source.keys().await.map_err(Refused::Undecided)?;
                let set = keys::parse(&set).ok_or(Refused::Undecided(Fault::Unexpected))?;
                keys.take(set, asked_at);
                known = keys.find(key_id, asked_at);
            }
        }
        match known {
            Known::Published(key) => Ok(key),
            Known::Unknown => Err(Refused::Worthless(Flaw::Key)),
            Known::Ask | Known::Undecided => Err(Refused::Undecided(Fault::Unreachable)),
        }
    }

    /// Who holds a token, as the server says of the person that the token itself names.
    async fn ask_for(&self, shown: Person, token: &str, digest: &feed::Digest) -> Result<Person, Refused> {
        let answered = self.ask(token, digest).await?;
        match answered.session_id == shown.session_id && answered.name == shown.name {
            true => Ok(shown.confirmed_by(answered)),
            false => Err(Refused::Undecided(Fault::Unexpected)),
        }
    }

    /// Who holds a token, as the server says, or said at most half a second ago.
    async fn ask(&self, token: &str, digest: &feed::Digest) -> Result<Person, Refused> {
        let Inner {
            trust, answers, feed, ..
        } = &*self.inner;
        let asked_at = self.now();
        let answered = match answers.find(digest, asked_at) {
            Some(answered) => answered,
            None => {
                let answer = trust.source.introspect(token).await.map_err(Refused::Undecided)?;
                let answered = self.read(&answer)?;
                answers.keep(*digest, answered.clone(), asked_at);
                answered
            }
        };
        let person = answered.ok_or(Refused::Worthless(Flaw::Ended))?;
        if feed
            .as_ref()
            .is_some_and(|feed| feed.is_ended(&person.session_id))
        {
            return Err(Refused::Worthless(Flaw::Ended));
        }
        if person.signed_in_until <= self.now().seconds() {
            return Err(Refused::Worthless(Flaw::Over));
        }
        Ok(person)
    }

    /// Reads an answer: nobody, where the token is worth nothing.
    fn read(&self, answer: &[u8]) -> Result<Option<Person>, Refused> {
        let read = json::object(answer).and_then(|answer| of_answer(&answer, self.now().seconds()));
        match read {
            Some(Introspected::Inactive) => Ok(None),
            Some(Introspected::Active(issuer, person)) if issuer == self.inner.trust.issuer => {
                Ok(Some(*person))
            }
            _ => Err(Refused::Undecided(Fault::Unexpected)),
        }
    }

    /// Listens to the feed, and opens it anew when it ends.
    async fn listen(&self) {
        let mut pause = PAUSES.0;
        loop {
            let was_heard = self.hear().await;
            pause = if was_heard {
                PAUSES.0
            } else {
                (pause * 2).min(PAUSES.1)
            };
            sleep(pause).await;
        }
    }

    /// Listens until the feed ends, and says whether there was one.
    async fn hear(&self) -> bool {
        let Inner {
            trust,
            feed: Some(feed),
            ..
        } = &*self.inner
        else {
            return false;
        };
        let Ok(mut body) = trust.source.feed().await else {
            return false;
        };
        let (mut events, mut is_open) = (Events::default(), false);
        while let Ok(Some(Ok(frame))) = timeout(FEED_SILENCE_MAX, body.frame()).await {
            let Ok(piece) = frame.into_data() else { continue };
            let read = events.read(&piece, |said| {
                if !std::mem::replace(&mut is_open, true) {
                    feed.opened(self.now());
                }
                feed.heard(said, self.now());
            });
            if read.is_err() {
                break;
            }
        }
        is_open
    }
}

/// The token of an `Authorization` header of the scheme Bearer (RFC 6750 §2.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then(|| token.trim_matches(' '))
}

/// Whether a token says nothing by itself: a session token, or an API token.
fn is_opaque(token: &str) -> bool {
    let (begin, digits) = API_TOKEN;
    let behind = token.strip_prefix(begin);
    is_lower_hexadecimal(token, SESSION_TOKEN_DIGITS)
        || behind.is_some_and(|behind| is_lower_hexadecimal(behind, digits))
}

fn digest_of(token: &str) -> feed::Digest {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
