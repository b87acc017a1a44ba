//! Step-up, the tokens it gives, and what applications are told about tokens.
//!
//! Knows: which rule answers, and that a token is worth nothing without its session. Must never know: bodies or
//! headers.

use countersign_auth::command::application;
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::host::{Enter, Entered, Issue};
use countersign_auth::command::signing;
use countersign_auth::command::step_up::{StepDown, StepUp, SteppedDown, SteppedUp};
use countersign_auth::event::{Act, Door, Origin, Reason};
use countersign_auth::id::{Digest, Presented, SessionToken};
use countersign_auth::name::Name;
use countersign_auth::record::{Key, Record, Signing};
use countersign_core::elevation::{Elevation, Standing};
use countersign_core::time::UnixSeconds;
use tokio::sync::broadcast;
use zeroize::Zeroizing;

use super::tokens::{SharedKey, public_of};
use super::{Failure, Live, Service, asker, lock, names};

/// A session that was elevated, and the token that says so.
pub struct Elevated {
    /// The session's new token, and the session.
    pub stepped_up: SteppedUp,
    /// The elevated token.
    pub token: Zeroizing<String>,
    /// Seconds until the elevation is over.
    pub expires_in_s: u64,
}

/// Whoever a token speaks of.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The session.
    pub live: Live,
    /// When the token was made, where it says so.
    pub made_at: Option<UnixSeconds>,
    /// The time it was judged at.
    pub now: UnixSeconds,
}

impl Service {
    /// Elevates a session by a code.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn step_up(
        &self,
        live: &Live,
        code: &str,
        purpose: &str,
        origin: &Origin,
    ) -> Result<Result<Elevated, Denied>, Failure> {
        let rule = StepUp {
            asker: asker(live, code, origin),
            purpose: purpose.to_owned(),
        };
        match self.submit_own(Act::StepUp, rule, origin).await? {
            Ok(stepped_up) => self.elevated(stepped_up).map(Ok),
            Err(denied) => Ok(Err(denied)),
        }
    }

    /// A session that was elevated, with the token that says so.
    pub(super) fn elevated(&self, stepped_up: SteppedUp) -> Result<Elevated, Failure> {
        let now = self.pulse.now()?;
        let mut jti = [0; 16];
        lock(&self.entropy).fill(&mut jti);
        let (id, session) = (stepped_up.id, &stepped_up.session);
        let token = self
            .tokens
            .make(id, session, &stepped_up.purpose, jti, now, &self.ring())
            .map_err(|error| Failure::Fault(error.into()))?
            .ok_or(Failure::Internal)?;
        let until = session
            .standing
            .elevation
            .map_or(now, |elevation| elevation.until);
        let expires_in_s = until.since(now);
        Ok(Elevated {
            stepped_up,
            token,
            expires_in_s,
        })
    }

    /// Gives the session's elevation back.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn step_down(&self, live: &Live, origin: &Origin) -> Result<SteppedDown, Failure> {
        self.submit(StepDown {
            session: live.id,
            name: live.session.account.clone(),
            origin: origin.clone(),
        })
        .await
    }

    /// The elevation that is on with the token by which the session was found.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn elevation(&self, live: &Live) -> Result<Option<Elevation>, Failure> {
        let now = self.pulse.now()?;
        Ok(live.standing.elevation.filter(|elevation| elevation.is_on(now)))
    }

    /// Whoever a session token, at Countersign or at a protected host, or an elevated token speaks of.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn identify(&self, host: Option<&str>, token: &str) -> Result<Option<Identified>, Failure> {
        let now = self.pulse.now()?;
        // Who may do nothing but enrol a second factor is nobody yet to an application.
        let identified = |live: Option<Live>, made_at| {
            let whole = live.filter(|live| !self.must_enrol(live));
            whole.map(|live| Identified { live, made_at, now })
        };
        if Presented::of(token).is_some() {
            return Ok(identified(self.session_at(host, token).await?, None));
        }
        let Some(claims) = self.tokens.read(token, now) else {
            return Ok(None);
        };
        let live = self.session_named(claims.sid, claims.standing()).await?;
        Ok(identified(live, Some(claims.iat)))
    }

    /// In whose name tokens are made from now on.
    pub fn issue_as(&self, issuer: &str) {
        self.tokens.issue_as(issuer);
    }

    /// Signs elevated tokens under a shared key from now on, in place of the signing keys.
    pub fn sign_tokens_under(&self, key: SharedKey) {
        self.tokens.share(key);
    }

    /// In whose name tokens are made.
    pub fn issuer(&self) -> &str {
        self.tokens.issuer()
    }

    /// The public keys by which elevated tokens are verified, each with its id.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn published_keys(&self) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        Ok(self.tokens.published(self.pulse.now()?))
    }

    /// Adds a signing key, unless only the first is wanted and there is one; works with what there is then.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn add_signing_key(
        &self,
        first_only: bool,
        origin: &Origin,
    ) -> Result<signing::Added, Failure> {
        let added = self.submit(self.signing_key(first_only, origin)).await?;
        self.sign_with(&added);
        Ok(added)
    }

    /// The rule that adds a signing key of fresh chance.
    pub(super) fn signing_key(&self, first_only: bool, origin: &Origin) -> signing::Add {
        let mut seed = Zeroizing::new([0; 32]);
        lock(&self.entropy).fill(&mut *seed);
        signing::Add {
            public: public_of(&seed),
            seed,
            first_only,
            origin: origin.clone(),
        }
    }

    /// Works with the keys that were made of it.
    pub(super) fn sign_with(&self, added: &signing::Added) {
        if let signing::Added::Keys(signing) = added {
            self.tokens.hold(signing.clone());
        }
    }

    /// Reads the signing keys anew; makes the first when there is none.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn read_signing_keys(&self) -> Result<(), Failure> {
        let stored = self.stored_signing().await?;
        if stored.keys.is_empty() {
            let origin = Origin {
                door: Door::Server,
                network: String::new(),
                browser: None,
                remember: false,
                agent: String::new(),
                request: String::new(),
                by: None,
            };
            self.add_signing_key(true, &origin).await?;
        } else {
            self.tokens.hold(stored);
        }
        Ok(())
    }

    /// The signing keys as they are stored.
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) async fn stored_signing(&self) -> Result<Signing, Failure> {
        self.read(|store| {
            let stored = store.load(&[Key::Signing]).map_err(Failure::Store)?;
            let signing = stored.into_iter().find_map(|stored| match stored.record {
                Some(Record::Signing(signing)) => Some(signing),
                _ => None,
            });
            Ok(signing.unwrap_or_default())
        })
        .await
    }

    /// The application that is known by a name and secret; none when none is.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn knows_application(
        &self,
        name: &str,
        secret: &str,
        origin: &Origin,
    ) -> Result<Option<Name>, Failure> {
        self.pulse.now()?;
        let known = match names::parse(name) {
            Ok(name) => {
                let key = Key::Application(name.clone());
                let secret = Zeroizing::new(secret.to_owned());
                self.read(move |store| {
                    let stored = store.load(&[key]).map_err(Failure::Store)?;
                    let record = stored.into_iter().find_map(|stored| stored.record);
                    let application = match &record {
                        Some(Record::Application(application)) => Some(application),
                        _ => None,
                    };
                    Ok(application::is_known(application, &secret).then_some(name))
                })
                .await?
            }
            Err(_) => None,
        };
        if known.is_none() {
            self.note_refusal(Act::ApplicationCheck, Reason::UnknownName, origin);
        }
        Ok(known)
    }

    /// Hears of every session that ends, on whatever node, from now on.
    ///
    /// # Errors
    /// [`Failure`] when this node would not hear of them.
    pub fn hear_ends(&self) -> Result<broadcast::Receiver<Digest>, Failure> {
        self.pulse.now()?;
        Ok(self.ends.subscribe())
    }

    /// Whether this node still hears of what other nodes end.
    ///
    /// # Errors
    /// [`Failure`] when it does not.
    pub fn still_hears(&self) -> Result<(), Failure> {
        self.pulse.now().map(drop)
    }

    /// A ticket by which a session is entered at a protected host; none when the session is over.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn issue_host_ticket(
        &self,
        live: &Live,
        host: &str,
        state: Digest,
    ) -> Result<Option<SessionToken>, Failure> {
        let rule = Issue {
            session: live.id,
            host: host.to_owned(),
            state,
        };
        self.submit(rule).await
    }

    /// Uses a host ticket up, and makes a key to its session for that host; none when it is not to be taken.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn enter_host(
        &self,
        ticket: &str,
        host: &str,
        state: Digest,
        origin: &Origin,
    ) -> Result<Option<Entered>, Failure> {
        let entered = match Presented::of(ticket) {
            Some(ticket) => {
                let rule = Enter {
                    ticket,
                    host: host.to_owned(),
                    state,
                    origin: origin.clone(),
                };
                self.submit(rule).await?
            }
            None => None,
        };
        if entered.is_none() {
            self.note_refusal(Act::HostEnter, Reason::NoTicket, origin);
        }
        Ok(entered)
    }
}

/// What whoever showed a token has proven.
impl Identified {
    /// Its standing.
    pub fn standing(&self) -> Standing {
        self.live.standing
    }
}
