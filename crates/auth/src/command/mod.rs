//! The rules, one file a command family; and what they share.
//!
//! Knows: how an account's open things are opened, bounded and ended. Must never know: doors.
//! A new command is a file here and a line below. Each takes an [`Origin`] that travels into the audit.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use countersign_core::elevation::Standing;
use countersign_core::limit::Room;
use zeroize::Zeroizing;

pub mod api_token;
pub mod application;
pub mod approval;
pub mod authority;
pub mod browser;
pub mod code;
pub mod contact;
pub mod enrol;
pub mod host;
pub mod import;
pub mod number;
pub mod operator;
pub mod password;
pub mod people;
pub mod recovery;
pub mod resynchronise;
pub mod send;
pub mod session;
pub mod signing;
pub mod step_up;
pub mod text;
pub mod ticket;
pub mod upkeep;

use crate::credential::{CodeVerdict, Holder, Provider, class_of, dummy};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{Digest, SessionToken, Token};
use crate::name::Name;
use crate::policy::{BROWSERS_MAX, CHALLENGES_MAX, SESSIONS_MAX, SecondFactor};
use crate::record::{
    Account, Browser, Challenge, Founder, Key, Notice, NoticeKind, Open, Record, Session, SessionKey,
};
use crate::rule::{Change, Fault, World};
use crate::session::Level;
use crate::snapshot::Snapshot;
use crate::throttle::{self, Charged, Gate, Source};

/// A session that was just opened; its token is shown once.
///
/// # Security
/// Debug prints nothing that opens anything.
#[derive(Clone, PartialEq)]
pub struct SignedIn {
    /// Whose session it is.
    pub name: Name,
    /// The session's token.
    pub session: SessionToken,
    /// Seconds until it ends at the latest.
    pub expires_in_s: u32,
    /// How strongly it was proven.
    pub level: Level,
    /// A cookie by which this browser is known from now on, when it was not known before.
    pub browser: Option<Token>,
    /// A backup code issued in place of the one just used.
    pub replacement_code: Option<Zeroizing<String>>,
    /// Whether a second factor must be enrolled before anything else.
    pub must_enrol: bool,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("name", &self.name)
            .field("level", &self.level)
            .field("must_enrol", &self.must_enrol)
            .finish_non_exhaustive()
    }
}

/// What a proven password leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Onward {
    /// A code is due.
    CodeDue {
        /// The challenge to answer.
        challenge: Token,
        /// Seconds it lives.
        expires_in_s: u32,
    },
    /// Nothing else is due.
    SignedIn(SignedIn),
}

/// What the proof of a code came to, for every rule that asks for one.
pub(crate) enum Proof {
    Accepted {
        method: &'static str,
        replacement: Option<Zeroizing<String>>,
    },
    Refused(Reason, Charged),
    Throttled {
        retry_after_s: u32,
    },
    Malformed,
    ClockNotSet,
}

/// The keys of an attempt on a name: its account, the browser shown, and the throttle's buckets for both.
pub(crate) fn attempt_reads(name: &Name, origin: &Origin, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
    let mut keys = vec![Key::Account(name.clone())];
    let browser = origin.browser.map(Key::Browser);
    let resolved = browser.as_ref().is_none_or(|key| seen.holds(key));
    keys.extend(browser);
    if resolved {
        let shown = browser_text(origin);
        keys.extend(throttle::reads(
            name,
            source(name, origin, &shown, seen, world),
            world.keys,
        ));
    }
    keys
}

/// The source of an attempt: known when it shows a browser cookie that belongs to the very account.
pub(crate) fn source<'a>(
    name: &Name,
    origin: &'a Origin,
    shown: &'a str,
    seen: &Snapshot,
    world: &World<'_>,
) -> Source<'a> {
    let known = origin
        .browser
        .is_some_and(|id| match seen.record(&Key::Browser(id)) {
            Some(Record::Browser(browser)) => browser.account == *name && world.now < browser.expires_at,
            _ => false,
        });
    if known {
        Source::Known(shown)
    } else {
        Source::Stranger(&origin.network)
    }
}

/// The stable text of the browser an origin shows.
pub(crate) fn browser_text(origin: &Origin) -> String {
    origin.browser.map_or_else(String::new, |id| id.to_string())
}

/// Asks every active factor of the code's class, charging the gate when none accepts.
pub(crate) fn prove(
    account: &mut Account,
    code: &str,
    gate: &mut Gate<'_>,
    world: &mut World<'_>,
) -> Result<Proof, Fault> {
    prove_by(account, code, |_| true, gate, world)
}

/// The same, by those factors alone whose provider is fit for it.
pub(crate) fn prove_by(
    account: &mut Account,
    code: &str,
    is_fit: impl Fn(&dyn Provider) -> bool,
    gate: &mut Gate<'_>,
    world: &mut World<'_>,
) -> Result<Proof, Fault> {
    let Some(class) = class_of(code) else {
        return Ok(Proof::Malformed);
    };
    if let Room::Closed { retry_after_s } = gate.room(class, world) {
        return Ok(Proof::Throttled { retry_after_s });
    }
    if dummy::accepts(code, world.policy) {
        return Ok(Proof::Accepted {
            method: "dummy",
            replacement: None,
        });
    }
    let mut refusal = Reason::WrongCode;
    let name = &account.name;
    for factor in account.factors.iter_mut().filter(|factor| factor.is_active()) {
        let holder = Holder {
            account: name,
            factor: &factor.id,
        };
        let provider = factor.credential.provider_mut();
        if provider.class() != class || !is_fit(provider) {
            continue;
        }
        match provider.check(code, holder, world)? {
            CodeVerdict::Accepted(accepted) => {
                return Ok(Proof::Accepted {
                    method: provider.method(),
                    replacement: accepted.replacement,
                });
            }
            CodeVerdict::AlreadyUsed => refusal = Reason::CodeAlreadyUsed,
            CodeVerdict::ClockNotSet => return Ok(Proof::ClockNotSet),
            CodeVerdict::Wrong | CodeVerdict::Malformed => {}
        }
    }
    let charged = match refusal {
        Reason::CodeAlreadyUsed => Charged::Counted,
        _ => gate.charge(class, world),
    };
    Ok(Proof::Refused(refusal, charged))
}

/// Makes room for one more: forgets what is over and then, down to the bound, the oldest; answers which these were.
///
/// Record and end go alike: what an account does not list, nothing of its account would end.
pub(crate) fn make_room(
    opened: &mut Vec<Open>,
    most: usize,
    key: fn(Digest) -> Key,
    world: &World<'_>,
    changes: &mut Vec<Change>,
) -> Vec<Digest> {
    let over = opened.extract_if(.., |open| open.expires_at <= world.now);
    changes.extend(over.map(|open| Change::Delete(key(open.id))));
    let beyond = (opened.len() + 1).saturating_sub(most);
    let oldest: Vec<Digest> = opened.drain(..beyond).map(|open| open.id).collect();
    changes.extend(oldest.iter().map(|id| Change::Delete(key(*id))));
    oldest
}

/// What follows a proven password: the code that is due, or a session of one factor.
pub(crate) fn after_password(
    account: &mut Account,
    origin: &Origin,
    seen: &Snapshot,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) -> Onward {
    if account.has_second_factor() && world.policy.second_factor != SecondFactor::AtStepUp {
        return open_challenge(account, world, changes);
    }
    let mut signed_in = open_session(account, Level::One, &["pwd"], origin, world, changes);
    signed_in.browser = know_browser(account, origin, seen, world, changes);
    Onward::SignedIn(signed_in)
}

/// Opens a session for an account that proved what it had to.
pub(crate) fn open_session(
    account: &mut Account,
    level: Level,
    methods: &[&str],
    origin: &Origin,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) -> SignedIn {
    let token = SessionToken::draw(world.entropy);
    let expires_at = world.now.plus(u64::from(world.policy.session_s));
    let standing = Standing {
        level,
        authenticated_at: world.now,
        elevation: None,
    };
    for oldest in make_room(&mut account.sessions, SESSIONS_MAX, Key::Session, world, changes) {
        let event = Event::about(Act::SessionEnd, Ending::Success, &account.name, origin);
        changes.push(Change::Audit(event.because(Reason::TooMany).on(oldest.short())));
    }
    account.sessions.push(Open {
        id: token.digest(),
        expires_at,
    });
    let session = Session {
        account: account.name.clone(),
        created_at: world.now,
        expires_at,
        last_seen: world.now,
        handle: String::from(token.handle()),
        standing,
        keys: vec![SessionKey {
            digest: token.key(),
            host: None,
            standing,
            until: None,
        }],
        stepped_down_at: None,
        tickets: Vec::new(),
        groups: account.groups.clone(),
        claims: account.claims.clone(),
        methods: methods.iter().map(|method| String::from(*method)).collect(),
        label: String::new(),
        network: origin.network.clone(),
        agent: origin.agent.clone(),
        recovers: false,
    };
    changes.push(Change::Put(
        Key::Session(token.digest()),
        Record::Session(session.into()),
    ));
    SignedIn {
        name: account.name.clone(),
        expires_in_s: world.policy.session_s,
        level,
        browser: None,
        replacement_code: None,
        must_enrol: world.policy.second_factor == SecondFactor::Required && !account.has_second_factor(),
        session: token,
    }
}

/// Opens the challenge that a code of the account answers.
fn open_challenge(account: &mut Account, world: &mut World<'_>, changes: &mut Vec<Change>) -> Onward {
    let challenge = Token::draw(world.entropy);
    let expires_at = world.now.plus(u64::from(world.policy.challenge_s));
    make_room(
        &mut account.challenges,
        CHALLENGES_MAX,
        Key::Challenge,
        world,
        changes,
    );
    account.challenges.push(Open {
        id: challenge.digest(),
        expires_at,
    });
    let record = Challenge {
        account: account.name.clone(),
        created_at: world.now,
        expires_at,
        wrong_codes: 0,
    };
    changes.push(Change::Put(
        Key::Challenge(challenge.digest()),
        Record::Challenge(record),
    ));
    Onward::CodeDue {
        challenge,
        expires_in_s: world.policy.challenge_s,
    }
}

/// Makes this browser a known source of the account where that is wished, and notes its use where it is one already.
pub(crate) fn know_browser(
    account: &mut Account,
    origin: &Origin,
    seen: &Snapshot,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) -> Option<Token> {
    if let Some(at) = account
        .browsers
        .iter()
        .position(|open| Some(open.id) == origin.browser)
    {
        let known = account.browsers.remove(at);
        if world.now < known.expires_at {
            account.browsers.push(known);
            note_use(known.id, origin, seen, world, changes);
            return None;
        }
        changes.push(Change::Delete(Key::Browser(known.id)));
    }
    if account.sign_ins > 0 {
        notify(account, NoticeKind::NewBrowser, world, changes);
    }
    if !origin.remember {
        return None;
    }
    make_room(&mut account.browsers, BROWSERS_MAX, Key::Browser, world, changes);
    let token = Token::draw(world.entropy);
    let browser = Browser {
        account: account.name.clone(),
        expires_at: world.now.plus(u64::from(world.policy.browser_s)),
        created_at: Some(world.now),
        last_used: Some(world.now),
        network: origin.network.clone(),
        agent: origin.agent.clone(),
    };
    account.browsers.push(Open {
        id: token.digest(),
        expires_at: browser.expires_at,
    });
    changes.push(Change::Put(
        Key::Browser(token.digest()),
        Record::Browser(browser),
    ));
    Some(token)
}

/// Notes where and as what a known browser was used last, for its owner to see.
fn note_use(id: Digest, origin: &Origin, seen: &Snapshot, world: &World<'_>, changes: &mut Vec<Change>) {
    let key = Key::Browser(id);
    if let Some(Record::Browser(browser)) = seen.record(&key) {
        let browser = Browser {
            last_used: Some(world.now),
            network: origin.network.clone(),
            agent: origin.agent.clone(),
            ..browser.clone()
        };
        changes.push(Change::Put(key, Record::Browser(browser)));
    }
}

/// Clears what the throttle holds against an account, and keeps how much it was for its owner to see.
pub(crate) fn settle(account: &mut Account, gate: &mut Gate<'_>) {
    account.failures += u64::from(gate.lifetime_failures());
    gate.clear();
}

/// Tells the owner something, in the same commit as the act itself.
pub(crate) fn notify(
    account: &mut Account,
    kind: NoticeKind,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) {
    let notice = Notice {
        account: account.name.clone(),
        at: world.now,
        kind,
        delivered: false,
        former: None,
        recovery: None,
    };
    post(account, notice, world, changes);
}

/// Puts a notice into the outbox, and onto its owner's page.
pub(crate) fn post(account: &mut Account, notice: Notice, world: &mut World<'_>, changes: &mut Vec<Change>) {
    const NOTICES_MAX: usize = 50;
    let id = Token::draw(world.entropy).digest();
    let notice = Record::Notice(notice);
    make_room(&mut account.notices, NOTICES_MAX, Key::Notice, world, changes);
    account.notices.push(Open {
        id,
        expires_at: notice.expires_at().unwrap_or(world.now),
    });
    changes.push(Change::Put(Key::Notice(id), notice));
}

/// Tells the owner, and the audit, when a backup code was the proof; `replacement` is the one issued for it.
pub(crate) fn note_backup_code(
    replacement: Option<&Zeroizing<String>>,
    account: &mut Account,
    origin: &Origin,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) {
    if replacement.is_some() {
        let used = Event::about(Act::BackupCodeUse, Ending::Success, &account.name, origin);
        changes.push(Change::Audit(used));
        notify(account, NoticeKind::BackupCodeUsed, world, changes);
    }
}

/// Tells the owner, and the audit, when a failure was the one that closed a credential.
pub(crate) fn note_charge(
    charged: Charged,
    account: &mut Account,
    origin: &Origin,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) -> bool {
    let closed = charged == Charged::ClosedCredential;
    if closed {
        notify(account, NoticeKind::CredentialClosed, world, changes);
        changes.push(Change::Audit(Event::about(
            Act::CredentialClose,
            Ending::Success,
            &account.name,
            origin,
        )));
    }
    closed
}

/// Ends every session of an account but one, naming each in the audit.
pub(crate) fn end_sessions(
    account: &mut Account,
    except: Option<Digest>,
    reason: Reason,
    origin: &Origin,
    changes: &mut Vec<Change>,
) {
    for open in core::mem::take(&mut account.sessions) {
        if Some(open.id) == except {
            account.sessions.push(open);
            continue;
        }
        changes.push(Change::Delete(Key::Session(open.id)));
        let event = Event::about(Act::SessionEnd, Ending::Success, &account.name, origin);
        changes.push(Change::Audit(event.because(reason).on(open.id.short())));
    }
}

/// Ends whatever is open in an account's name and was opened by what it was until now: sessions, tokens for programs,
/// attempts.
pub(crate) fn end_all(account: &mut Account, reason: Reason, origin: &Origin, changes: &mut Vec<Change>) {
    end_sessions(account, None, reason, origin, changes);
    api_token::end_all(account, reason, origin, changes);
    end_attempts(account, changes);
}

/// Ends all challenges and recoveries and all that its owner was asked, and forgets all known browsers of an account.
pub(crate) fn end_attempts(account: &mut Account, changes: &mut Vec<Change>) {
    changes.extend(
        core::mem::take(&mut account.challenges)
            .into_iter()
            .map(|open| Change::Delete(Key::Challenge(open.id))),
    );
    changes.extend(
        core::mem::take(&mut account.browsers)
            .into_iter()
            .map(|open| Change::Delete(Key::Browser(open.id))),
    );
    let approvals = core::mem::take(&mut account.approvals).into_iter();
    changes.extend(approvals.map(|open| Change::Delete(Key::Approval(open.id))));
    let request = account.number_request.take().into_iter();
    changes.extend(request.map(|open| Change::Delete(Key::NumberRequest(open.id))));
    end_recoveries(account, changes);
}

/// Ends every recovery of an account that is under way; says how many there were.
pub(crate) fn end_recoveries(account: &mut Account, changes: &mut Vec<Change>) -> usize {
    let recoveries = core::mem::take(&mut account.recoveries);
    changes.extend(
        recoveries
            .iter()
            .map(|open| Change::Delete(Key::Recovery(open.id))),
    );
    recoveries.len()
}

/// Voids every ticket to set the password of an account.
pub(crate) fn end_tickets(account: &mut Account, changes: &mut Vec<Change>) {
    let tickets = core::mem::take(&mut account.tickets).into_iter();
    changes.extend(tickets.map(|open| Change::Delete(Key::Ticket(open.id))));
}

/// Writes down who administers first, which voids every ticket that would make somebody else the first.
pub(crate) fn found(name: &Name) -> Change {
    Change::Put(Key::Founder, Record::Founder(Founder { name: name.clone() }))
}

/// Stores the account as it now is.
pub(crate) fn put(account: Account) -> Change {
    Change::Put(
        Key::Account(account.name.clone()),
        Record::Account(account.into()),
    )
}

/// Cuts a text that somebody else chose to a bound, dropping control characters.
pub fn bounded(text: &str, chars_max: usize) -> String {
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(chars_max)
        .collect()
}
