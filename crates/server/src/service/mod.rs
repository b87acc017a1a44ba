//! The service between doors and stores: it walks every request through load → decide → commit → reveal.
//!
//! Knows: which rule answers which request, what must be hashed outside of any lock, and what is kept in
//! memory between commits. Must never know: HTTP, SQL, or what a rule decides.
//!
//! Read next: [`committer`] for the heart, [`sign_in`](Service::sign_in) for the walk of a request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_auth::command::{Onward, code, enrol, password, resynchronise, ticket, upkeep};
use countersign_auth::credential::{Wish, class_of};
use countersign_auth::event::{Act, Event, Origin, Reason};
use countersign_auth::id::{Digest, Token};
use countersign_auth::name::{Name, NameError};
use countersign_auth::policy::Policy;
use countersign_auth::record::{Account, Key, Notice, Record, Session, TicketPurpose};
use countersign_auth::rule::{Change, Entropy, Rule, World};
use countersign_auth::seal::KeyRing;
use countersign_auth::session::{Level, SessionVerdict, judge};
use countersign_auth::snapshot::Snapshot;
use countersign_core::time::UnixSeconds;
use tokio::sync::{Semaphore, broadcast};
use zeroize::Zeroizing;

pub mod api_tokens;
pub mod approvals;
pub mod audit;
pub mod browsers;
pub mod clock;
pub mod committer;
pub mod elevation;
pub mod hashing;
pub mod history;
mod kept;
pub mod keys;
pub mod names;
pub mod networks;
pub mod operator;
pub mod post;
pub mod pulse;
pub mod recovery;
pub mod refusals;
pub mod rules;
pub mod sessions;
pub mod texting;
pub mod tokens;
pub mod upkeeper;

pub use committer::Failure;
use committer::{Committer, Desk, read_closure};
use countersign_auth::credential::password::PasswordProblem;
use keys::Keys;
use pulse::Pulse;
pub use sessions::Live;

use crate::store::Store;

/// How long the store and the committer may take before the service is not ready.
const READY_TIME_MAX: Duration = Duration::from_secs(2);
/// Long reads by role that may be under way at once, so that sessions are never checked behind them.
const FAR_READS_MAX: usize = 2;
/// Ends of sessions that a listener may be behind before it is cut off.
const ENDS_MAX: usize = 4_096;

/// Everything that answers requests. Cheap to share.
pub struct Service {
    committer: Committer,
    thread: JoinHandle<()>,
    store: Arc<dyn Store>,
    hashing: hashing::Hashing,
    clock: Arc<clock::ClockGuard>,
    pulse: Arc<Pulse>,
    policy: Arc<Policy>,
    keys: Arc<Keys>,
    entropy: Mutex<Box<dyn Entropy + Send>>,
    activity: Arc<Mutex<HashMap<Digest, UnixSeconds>>>,
    kept: Arc<sessions::KeptSessions>,
    tokens_used: Arc<Mutex<HashMap<Digest, UnixSeconds>>>,
    kept_tokens: Arc<api_tokens::KeptTokens>,
    ends: broadcast::Sender<Digest>,
    tokens: tokens::Tokens,
    refusals: refusals::Refusals,
    outbox: post::Outbox,
    rules: rules::RulesInUse,
    /// What operators are shown of this node's words.
    words: OnceLock<operator::Words>,
    /// Turns of those who act by a role and ask for what takes long to read.
    far_reads: Semaphore,
}

/// What a service is made of; the wiring chooses each part.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The pool that hashes passwords.
    pub hashing: hashing::Hashing,
    /// The clock, watched.
    pub clock: Arc<clock::ClockGuard>,
    /// The operator's numbers.
    pub policy: Policy,
    /// The keys.
    pub keys: Keys,
    /// A source of randomness for the committer, and one for the rest.
    pub entropy: [Box<dyn Entropy + Send>; 2],
    /// This node's name.
    pub node: String,
    /// Told every notice that becomes durable.
    pub notices: NoticeSink,
    /// Where what is to be sent is left.
    pub outbox: post::Outbox,
}

/// An account and what is open in its name.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The account.
    pub account: Account,
    /// Its live sessions with their last activity, newest first.
    pub sessions: Vec<(Digest, Session, UnixSeconds)>,
    /// Its notices, newest first.
    pub notices: Vec<Notice>,
    /// Failures counted against it, ever.
    pub failures: u64,
}

/// What a change of one's own account came to.
pub type Granted<T> = Result<enrol::Granted<T>, enrol::Denied>;

/// Is told every notice that becomes durable.
pub type NoticeSink = Box<dyn Fn(Digest, &Notice) + Send>;

/// Why a sign-in could not even be tried, or what it came to.
pub type SignIn = Result<password::Finished, NameError>;

/// Why a password was not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSet {
    /// It can't be a password.
    Password(PasswordProblem),
    /// The name can't be a name.
    Name(NameError),
    /// The ticket was not taken.
    Ticket(ticket::NotRedeemed),
}

impl Service {
    /// Puts the parts together and starts the committer.
    ///
    /// # Errors
    /// That of the operating system when it gives no thread.
    pub fn start(parts: Parts) -> std::io::Result<Service> {
        let policy = Arc::new(parts.policy);
        let keys = Arc::new(parts.keys);
        let activity = Arc::new(Mutex::new(HashMap::new()));
        let kept = Arc::new(sessions::none_kept());
        let tokens_used = Arc::new(Mutex::new(HashMap::new()));
        let kept_tokens = Arc::new(api_tokens::none_kept());
        let (ends, _) = broadcast::channel(ENDS_MAX);
        let [committing, asking] = parts.entropy;
        let ended = {
            let (activity, kept, ends) = (activity.clone(), kept.clone(), ends.clone());
            let (tokens_used, kept_tokens) = (tokens_used.clone(), kept_tokens.clone());
            move |key: &Key| {
                let id = match key {
                    Key::Session(id) => {
                        lock(&activity).remove(id);
                        kept.forget(id);
                        *id
                    }
                    Key::ApiToken(id) => {
                        lock(&tokens_used).remove(id);
                        kept_tokens.forget(id);
                        *id
                    }
                    _ => return,
                };
                // Nobody may be listening.
                let _ = ends.send(id);
            }
        };
        let pulse = Arc::new(Pulse::new(parts.clock.clone(), keys.clone(), ended.clone()));
        // Before the first beat can come.
        pulse.expect();
        if !parts.store.follow(&parts.node, pulse.clone()) {
            pulse.expect_nothing();
        }
        let committed = {
            let (notices, kept, outbox) = (parts.notices, kept.clone(), parts.outbox.clone());
            let kept_tokens = kept_tokens.clone();
            move |change: &Change| match change {
                Change::Delete(key) => ended(key),
                Change::Put(Key::Session(id), _) => kept.forget(id),
                Change::Put(Key::ApiToken(id), _) => kept_tokens.forget(id),
                Change::Put(Key::Notice(id), Record::Notice(notice)) if !notice.delivered => {
                    notices(*id, notice);
                    outbox.leave(post::Errand::Notice(*id));
                }
                _ => {}
            }
        };
        let desk = Desk {
            store: parts.store.clone(),
            pulse: pulse.clone(),
            policy: policy.clone(),
            keys: keys.clone(),
            entropy: committing,
            node: parts.node,
            committed: Box::new(committed),
        };
        let (committer, thread) = Committer::start(desk)?;
        Ok(Service {
            committer,
            thread,
            store: parts.store,
            hashing: parts.hashing,
            clock: parts.clock,
            pulse,
            policy,
            keys,
            entropy: Mutex::new(asking),
            activity,
            kept,
            tokens_used,
            kept_tokens,
            ends,
            tokens: tokens::Tokens::default(),
            refusals: refusals::Refusals::default(),
            outbox: parts.outbox,
            rules: rules::RulesInUse::default(),
            words: OnceLock::new(),
            far_reads: Semaphore::new(FAR_READS_MAX),
        })
    }

    /// Ends the committer and with it the last use of the store.
    pub fn end(self) {
        let Service {
            committer, thread, ..
        } = self;
        drop(committer);
        if thread.join().is_err() {
            tracing::error!("the committer had panicked");
        }
    }

    /// The operator's numbers.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The rules of protected applications.
    pub fn rules(&self) -> &rules::RulesInUse {
        &self.rules
    }

    /// The time by which is decided.
    ///
    /// # Errors
    /// [`Failure`] when nothing can be decided now.
    pub fn now(&self) -> Result<UnixSeconds, Failure> {
        self.pulse.now()
    }

    /// The watched clock.
    pub fn clock(&self) -> &clock::ClockGuard {
        &self.clock
    }

    /// Hands a rule to the committer; its outcome is durable when it arrives.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn submit<R>(&self, rule: R) -> Result<R::Outcome, Failure>
    where
        R: Rule + Send + 'static,
        R::Outcome: Send + 'static,
    {
        self.committer.submit(rule).await
    }

    /// Asks a rule that changes nothing, beside the committer.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn ask<R>(&self, rule: R) -> Result<R::Outcome, Failure>
    where
        R: Rule + Send + 'static,
        R::Outcome: Send + 'static,
    {
        let now = self.pulse.now()?;
        let (policy, keys) = (self.policy.clone(), self.ring());
        self.read(move |store| {
            // A rule that changes nothing has no use for chance; it is given none.
            let mut no_chance = |_: &mut [u8]| {};
            let mut world = World {
                now,
                policy: &policy,
                keys: &keys,
                entropy: &mut no_chance,
            };
            let mut snapshot = Snapshot::default();
            read_closure(&mut snapshot, |seen| rule.reads(seen, &world), store)?;
            rule.decide(&snapshot, &mut world)
                .map(|decision| decision.outcome)
                .map_err(Failure::Fault)
        })
        .await
    }

    /// Reads from the store on a thread that may wait.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || read(&*store))
            .await
            .unwrap_or(Err(Failure::Internal))
    }

    fn ring(&self) -> Arc<KeyRing> {
        self.keys.ring()
    }

    fn salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        lock(&self.entropy).fill(&mut salt);
        salt
    }

    /// Counts a refusal that is audited by the minute.
    pub fn note_refusal(&self, act: Act, reason: Reason, origin: &Origin) {
        self.refusals.count(act, reason, origin);
    }

    /// Hands in a change of one's own account, and counts a denial that changed nothing, for the audit; one that did
    /// is in the audit already.
    async fn submit_own<R, T>(&self, act: Act, rule: R, origin: &Origin) -> Result<R::Outcome, Failure>
    where
        R: Rule<Outcome = Result<T, enrol::Denied>> + Send + 'static,
        T: Send + 'static,
    {
        let outcome = self.submit(rule).await?;
        let reason = match &outcome {
            Err(enrol::Denied::Throttled { .. }) => Some(Reason::Throttled),
            Err(enrol::Denied::Malformed) => Some(Reason::Malformed),
            _ => None,
        };
        if let Some(reason) = reason {
            self.note_refusal(act, reason, origin);
        }
        Ok(outcome)
    }

    /// First factor: asks what to check, hashes outside of every lock, and hands the result to the committer.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sign_in(&self, typed: &str, password: &str, origin: &Origin) -> Result<SignIn, Failure> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => {
                self.note_refusal(Act::PasswordCheck, Reason::Malformed, origin);
                return Ok(Err(error));
            }
        };
        // A password that was changed while it was hashed is checked once more against the new one.
        for _ in 0..2 {
            let checked = match self.check_password(&name, password, origin).await? {
                Ok(checked) => checked,
                Err(retry_after_s) => return Ok(Ok(password::Finished::Throttled { retry_after_s })),
            };
            let finish = password::Finish {
                name: name.clone(),
                origin: origin.clone(),
                checked,
            };
            let finished = self.submit(finish).await?;
            if let password::Finished::Throttled { .. } = finished {
                self.note_refusal(Act::PasswordCheck, Reason::Throttled, origin);
            }
            if finished != password::Finished::Stale {
                return Ok(Ok(finished));
            }
        }
        Err(Failure::Busy)
    }

    /// Checks a password against what is stored; the inner error is how long to wait.
    async fn check_password(
        &self,
        name: &Name,
        typed: &str,
        origin: &Origin,
    ) -> Result<Result<password::Checked, u32>, Failure> {
        let begin = password::Begin {
            name: name.clone(),
            origin: origin.clone(),
        };
        match self.ask(begin).await? {
            password::Begun::Throttled { retry_after_s } => {
                self.note_refusal(Act::PasswordCheck, Reason::Throttled, origin);
                Ok(Err(retry_after_s))
            }
            password::Begun::Check { hash, known } => {
                let prepared = names::password(typed);
                let matched = self
                    .hashing
                    .check(&prepared, hash.clone(), self.salt(), known)
                    .await
                    .inspect_err(|_| {
                        self.note_refusal(Act::PasswordCheck, Reason::Busy, origin);
                    })?;
                Ok(Ok(password::Checked {
                    hash,
                    matched: matched.matched,
                    rehash: matched.rehash,
                }))
            }
        }
    }

    /// Second factor: answers a challenge with a code.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn verify(
        &self,
        challenge: &str,
        code: &str,
        origin: &Origin,
    ) -> Result<code::Verified, Failure> {
        let rule = code::Verify {
            challenge: Digest::of(challenge),
            code: Zeroizing::new(code.to_owned()),
            origin: origin.clone(),
        };
        let verified = self.submit(rule).await?;
        let reason = match verified {
            code::Verified::NoChallenge => Some(Reason::NoChallenge),
            code::Verified::Malformed => Some(Reason::Malformed),
            code::Verified::Throttled { .. } => Some(Reason::Throttled),
            _ => None,
        };
        if let Some(reason) = reason {
            self.note_refusal(Act::CodeCheck, reason, origin);
        }
        Ok(verified)
    }

    /// An account and what is open in its name.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn view(&self, name: &Name) -> Result<Option<View>, Failure> {
        let now = self.pulse.now()?;
        let (name, policy) = (name.clone(), self.policy.clone());
        // A copy: whoever checks a session meanwhile must not wait for the disk.
        let activity = lock(&self.activity).clone();
        let keys = self.ring();
        self.read(move |store| read_view(&name, now, &policy, &activity, &keys, store))
            .await
    }

    /// Begins the enrolment of a factor; the code is owed once a second factor is active. What its provider sends is on
    /// its way when this answers.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn begin_enrolment(
        &self,
        live: &Live,
        wish: Wish,
        label: &str,
        code: &str,
        origin: &Origin,
    ) -> Result<Granted<enrol::Enrolment>, Failure> {
        let rule = enrol::Begin {
            asker: asker(live, code, origin),
            wish,
            label: label.to_owned(),
        };
        let mut begun = self.submit_own(Act::FactorAdd, rule, origin).await?;
        if let Ok(granted) = &mut begun
            && let Some(to_text) = granted.given.offer.to_text.take()
        {
            self.text(live.session.account.clone(), to_text, origin);
        }
        Ok(begun)
    }

    /// Confirms the pending factor by a code of it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn confirm_enrolment(
        &self,
        live: &Live,
        code: &str,
        origin: &Origin,
    ) -> Result<Result<countersign_auth::command::SignedIn, enrol::Denied>, Failure> {
        let rule = enrol::Confirm {
            asker: asker(live, code, origin),
        };
        self.submit_own(Act::FactorConfirm, rule, origin).await
    }

    /// Removes a factor.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn remove_factor(
        &self,
        live: &Live,
        factor: &str,
        code: &str,
        origin: &Origin,
    ) -> Result<Granted<()>, Failure> {
        let rule = enrol::Remove {
            asker: asker(live, code, origin),
            factor: factor.to_owned(),
        };
        self.submit_own(Act::FactorRemove, rule, origin).await
    }

    /// Finds one of the owner's factors by two consecutive codes of it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn resynchronise(
        &self,
        live: &Live,
        factor: &str,
        codes: (&str, &str),
        origin: &Origin,
    ) -> Result<Result<(), enrol::Denied>, Failure> {
        let owned = |code: &str| Zeroizing::new(code.to_owned());
        let rule = resynchronise::Resynchronise {
            asker: asker(live, "", origin),
            factor: factor.to_owned(),
            codes: (owned(codes.0), owned(codes.1)),
        };
        self.submit_own(Act::FactorResynchronise, rule, origin).await
    }

    /// Replaces all backup codes.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn replace_backup_codes(
        &self,
        live: &Live,
        code: &str,
        origin: &Origin,
    ) -> Result<Granted<Vec<Zeroizing<String>>>, Failure> {
        let rule = enrol::ReplaceBackupCodes {
            asker: asker(live, code, origin),
        };
        self.submit_own(Act::BackupCodesReplace, rule, origin).await
    }

    /// Sets a new password from within a session.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn change_password(
        &self,
        live: &Live,
        current: &str,
        new: &str,
        code: &str,
        origin: &Origin,
    ) -> Result<Result<password::Replaced, PasswordProblem>, Failure> {
        let name = live.session.account.clone();
        let prepared = names::password(new);
        if let Err(problem) =
            countersign_auth::credential::password::acceptable(&prepared, &name, &self.policy)
        {
            return Ok(Err(problem));
        }
        // No hash is computed for what can't be a code; a session of two factors owes one.
        if live.session.standing.level >= Level::Two && class_of(code).is_none() {
            self.note_refusal(Act::PasswordChange, Reason::Malformed, origin);
            return Ok(Ok(password::Replaced::Malformed));
        }
        let checked = match self.check_password(&name, current, origin).await? {
            Ok(checked) => checked,
            Err(retry_after_s) => return Ok(Ok(password::Replaced::Throttled { retry_after_s })),
        };
        let hash = self.hashing.hash(&prepared, self.salt()).await?;
        let code = Zeroizing::new(code.to_owned());
        let session = live.id;
        self.submit(password::Replace {
            session,
            name,
            origin: origin.clone(),
            checked,
            hash,
            code,
        })
        .await
        .map(Ok)
    }

    /// What a ticket is for, without using it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn look_at_ticket(&self, token: &str) -> Result<Option<TicketPurpose>, Failure> {
        self.ask(ticket::Look {
            ticket: Digest::of(token),
        })
        .await
    }

    /// Uses a ticket up: sets the password of its account, and leads on as the password would.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn redeem_ticket(
        &self,
        token: &str,
        typed: &str,
        new: &str,
        origin: &Origin,
    ) -> Result<Result<Onward, NotSet>, Failure> {
        let Some(purpose) = self.look_at_ticket(token).await? else {
            self.note_refusal(Act::TicketRedeem, Reason::NoTicket, origin);
            return Ok(Err(NotSet::Ticket(ticket::NotRedeemed::NoTicket)));
        };
        let name = match purpose {
            TicketPurpose::Account(name) => name,
            TicketPurpose::FirstAdministrator => match names::parse(typed) {
                Ok(name) => name,
                Err(error) => return Ok(Err(NotSet::Name(error))),
            },
        };
        let prepared = names::password(new);
        if let Err(problem) =
            countersign_auth::credential::password::acceptable(&prepared, &name, &self.policy)
        {
            return Ok(Err(NotSet::Password(problem)));
        }
        let hash = self.hashing.hash(&prepared, self.salt()).await?;
        let ticket = Digest::of(token);
        let rule = ticket::Redeem {
            ticket,
            name,
            hash,
            origin: origin.clone(),
        };
        Ok(self.submit(rule).await?.map_err(NotSet::Ticket))
    }

    /// Whether anybody was ever made an administrator of this installation.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn administrator_exists(&self) -> Result<bool, Failure> {
        self.read(|store| {
            let stored = store.load(&[Key::Founder]).map_err(Failure::Store)?;
            Ok(stored.iter().any(|stored| stored.record.is_some()))
        })
        .await
    }

    /// Writes events into the audit.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn note(&self, events: Vec<Event>) -> Result<(), Failure> {
        if events.is_empty() {
            return Ok(());
        }
        self.submit(upkeep::Note { events }).await
    }

    /// Waits until a shared store is heard; at once where it is no shared one.
    ///
    /// # Errors
    /// [`Failure::Store`] with what stands in the way.
    pub fn wait_for_store(&self, longest: Duration) -> Result<(), Failure> {
        self.pulse.wait(longest)
    }

    /// Whether requests can be answered: the clock is believed, the store answers, and so does whoever decides.
    ///
    /// # Errors
    /// The [`Failure`] that stands in the way.
    pub async fn ready(&self) -> Result<(), Failure> {
        // What is known already is said at once, and as what it is.
        self.pulse.now()?;
        let asked = async {
            self.read(|store| {
                store
                    .note(crate::store::NOTE_RING)
                    .map(drop)
                    .map_err(Failure::Store)
            })
            .await?;
            // A rule of nothing waits its turn like any other, and is told of a clock in doubt.
            self.submit(upkeep::Note { events: Vec::new() }).await
        };
        tokio::time::timeout(READY_TIME_MAX, asked)
            .await
            .unwrap_or(Err(Failure::Busy))
    }
}

fn asker(live: &Live, code: &str, origin: &Origin) -> enrol::Asker {
    enrol::Asker {
        session: live.id,
        name: live.session.account.clone(),
        code: Zeroizing::new(code.to_owned()),
        origin: origin.clone(),
    }
}

fn read_view(
    name: &Name,
    now: UnixSeconds,
    policy: &Policy,
    activity: &HashMap<Digest, UnixSeconds>,
    keys: &KeyRing,
    store: &dyn Store,
) -> Result<Option<View>, Failure> {
    let record = |key: Key| -> Result<Option<Record>, Failure> {
        Ok(store
            .load(&[key])
            .map_err(Failure::Store)?
            .into_iter()
            .find_map(|stored| stored.record))
    };
    let Some(Record::Account(account)) = record(Key::Account(name.clone()))? else {
        return Ok(None);
    };
    let mut sessions = Vec::new();
    for open in account.sessions.iter().rev() {
        let Some(Record::Session(session)) = record(Key::Session(open.id))? else {
            continue;
        };
        let seen = activity.get(&open.id).copied().unwrap_or(session.last_seen);
        if matches!(judge(&session, seen, now, policy), SessionVerdict::Live { .. }) {
            sessions.push((open.id, *session, seen));
        }
    }
    let mut notices = Vec::new();
    for open in account.notices.iter().rev() {
        if let Some(Record::Notice(notice)) = record(Key::Notice(open.id))? {
            notices.push(notice);
        }
    }
    let failures = account.failures + u64::from(operator::failures_since_sign_in(name, keys, store)?);
    Ok(Some(View {
        account: *account,
        sessions,
        notices,
        failures,
    }))
}

/// A fresh bearer token, for doors that bind something to a browser.
pub fn draw_token(service: &Service) -> Token {
    Token::draw(&mut **lock(&service.entropy))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds this")
}
