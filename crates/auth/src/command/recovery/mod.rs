//! Recovery by two independent proofs: a code sent to the account's mail address or an operator's word, and the factor
//! that is left; or both of the former.
//!
//! Whoever lost the password proves a second factor, and sets a new password. Whoever lost the second factors proves
//! the password, and gets a session that can do nothing but enrol a new one, which takes their place when it is
//! confirmed. The factor that was not lost is never touched, and a session of two factors never comes of mail (NIST SP
//! 800-63B-4 §4.2.2.2: one recovery code and one bound authenticator; §3.1.3.1: mail is no authenticator).
//!
//! Knows: requests, proofs, the delay and how it is called off. Must never know: how a code is sent. Read next:
//! [`vouch`] for an operator's word, [`prove`] for the proofs, [`finish`] for what they allow.
//!
//! A request for a name that nobody has leads to a record of the same kind and size, under a code that was told to
//! nobody: neither answers nor work tell the names apart.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use countersign_core::limit::Room;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub mod finish;
pub mod prove;
pub mod vouch;

use super::contact::ToSend;
use super::{attempt_reads, browser_text, end_recoveries, notify, put, source};
use crate::credential::mailed;
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{Digest, Token, hex, unhex};
use crate::name::Name;
use crate::record::{Account, Key, NoticeKind, Record, Recovery};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::seal::KeyRing;
use crate::snapshot::Snapshot;
use crate::throttle::{Gate, Sent};

/// Asks to recover an account.
#[derive(Clone, Debug)]
pub struct Request {
    /// The name given.
    pub name: Name,
    /// Who asks.
    pub origin: Origin,
}

/// The answer to [`Request`].
pub enum Requested {
    /// Too much was asked for already; nothing was sent.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// Whatever there was to send is sent.
    Accepted {
        /// What the asker shows beside the code.
        recovery: Token,
        /// Seconds it lives.
        expires_in_s: u32,
        /// The code, where there is somebody to send it to. No door may say whether there is.
        to_send: Option<ToSend>,
    },
}

impl Rule for Request {
    type Outcome = Requested;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        attempt_reads(&self.name, &self.origin, seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Requested>, Fault> {
        let account = seen.account(&self.name);
        let shown = browser_text(&self.origin);
        let source = source(&self.name, &self.origin, &shown, seen, world);
        let mut gate = Gate::new(&self.name, account.is_some(), source, seen, world.keys);
        if let Room::Closed { retry_after_s } = gate.request_room(Sent::Recovery, world) {
            return Ok(Decision::unchanged(Requested::Throttled { retry_after_s }));
        }
        gate.request(Sent::Recovery, world);
        let token = Token::draw(world.entropy);
        let code = mailed::draw(world.entropy);
        let id = token.digest().to_string();
        let recovery = Recovery {
            name: tag(&self.name, world.keys),
            created_at: world.now,
            expires_at: world.now.plus(u64::from(world.policy.recovery.code_s)),
            code: mailed::hash(&code, mailed::Use::Recovery(&id), world.keys),
            standing: standing(account, world.keys),
            refused: 0,
            vouched: false,
            proven: None,
        };
        let mut changes = alloc::vec![
            Change::Put(Key::Recovery(token.digest()), Record::Recovery(recovery)),
            Change::Audit(self.event(account, world.keys)),
        ];
        changes.extend(gate.changes());
        let expires_in_s = world.policy.recovery.code_s;
        let email = account.filter(|account| mail_obstacle(account).is_none());
        let to_send = email
            .and_then(|account| account.email.as_ref())
            .map(|email| ToSend {
                address: email.address.clone(),
                code,
                expires_in_s,
            });
        let outcome = Requested::Accepted {
            recovery: token,
            expires_in_s,
            to_send,
        };
        Ok(Decision { outcome, changes })
    }
}

impl Request {
    fn event(&self, account: Option<&Account>, keys: &KeyRing) -> Event {
        let Some(account) = account else {
            let event =
                Event::about_unknown(Act::RecoveryAsk, Ending::Refused, &self.name, &self.origin, keys);
            return event.because(Reason::UnknownName);
        };
        match mail_obstacle(account) {
            None => Event::about(Act::RecoveryAsk, Ending::Success, &self.name, &self.origin),
            Some(reason) => {
                Event::about(Act::RecoveryAsk, Ending::Refused, &self.name, &self.origin).because(reason)
            }
        }
    }
}

/// Why an account can't be recovered by mail, if it can't.
fn mail_obstacle(account: &Account) -> Option<Reason> {
    let no_email = || account.email.is_none().then_some(Reason::NoEmail);
    obstacle(account).or_else(no_email)
}

/// Why an account can't be recovered at all, if it can't.
fn obstacle(account: &Account) -> Option<Reason> {
    if account.disabled {
        Some(Reason::Disabled)
    } else if account.password.is_none() {
        Some(Reason::NoPassword)
    } else if !account.has_second_factor() {
        // Nothing would be left to be the other proof.
        Some(Reason::NoFactor)
    } else {
        None
    }
}

fn tag(name: &Name, keys: &KeyRing) -> String {
    hex(&keys.index("recovery name", &[name.as_str().as_bytes()]))
}

/// What a recovery was asked upon. It is void as soon as any of it changes, so nothing else need end it before it is
/// proven, and asking writes nothing into the account.
fn standing(account: Option<&Account>, keys: &KeyRing) -> String {
    let password = account.and_then(|account| account.password.as_ref());
    let email = account.and_then(|account| account.email.as_ref());
    let factors: Vec<&str> = account.map_or_else(Vec::new, |account| {
        let active = account.factors.iter().filter(|factor| factor.is_active());
        active.map(|factor| factor.id.as_str()).collect()
    });
    let parts = [
        password.map_or(&[][..], |password| password.hash.0.as_bytes()),
        email.map_or(&[][..], |email| email.address.as_str().as_bytes()),
        &factors.join(" ").into_bytes(),
    ];
    hex(&keys.index("recovery standing", &parts))
}

/// Who calls a recovery off.
///
/// # Security
/// Debug prints nothing of the link.
#[derive(Clone)]
pub enum By {
    /// Whoever holds the link that was mailed.
    Link(Zeroizing<String>),
    /// The owner, from a live session.
    Session(Digest, Name),
}

impl fmt::Debug for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Link(_) => f.write_str("Link(…)"),
            By::Session(id, name) => write!(f, "Session({}, {name})", id.short()),
        }
    }
}

/// Calls off whatever recovery of an account is under way.
#[derive(Clone, Debug)]
pub struct Cancel {
    /// Who says so.
    pub by: By,
    /// Who asks.
    pub origin: Origin,
}

impl Cancel {
    /// The recovery that the link names, if it is genuine.
    fn linked(&self, keys: &KeyRing) -> Option<Digest> {
        match &self.by {
            By::Link(link) => {
                let recovery = Digest::parse(link.get(..64)?)?;
                let shown = unhex(link.get(64..)?)?;
                let is_ours = shown.ct_eq(&authentication(recovery, keys));
                bool::from(is_ours).then_some(recovery)
            }
            By::Session(..) => None,
        }
    }

    /// Whose recoveries are meant, as far as is known.
    fn account<'a>(&'a self, seen: &'a Snapshot, keys: &KeyRing) -> Option<&'a Name> {
        match &self.by {
            By::Session(_, name) => Some(name),
            By::Link(_) => {
                let recovery = seen.recovery(self.linked(keys)?)?;
                recovery.proven.as_ref().map(|proven| &proven.account)
            }
        }
    }
}

impl Rule for Cancel {
    /// How many were called off.
    type Outcome = usize;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        match (&self.by, self.linked(world.keys).map(Key::Recovery)) {
            (By::Session(session, name), _) => {
                alloc::vec![Key::Session(*session), Key::Account(name.clone())]
            }
            (By::Link(_), Some(key)) if !seen.holds(&key) => alloc::vec![key],
            (By::Link(_), Some(_)) => {
                let account = self.account(seen, world.keys);
                account
                    .map(|name| Key::Account(name.clone()))
                    .into_iter()
                    .collect()
            }
            (By::Link(_), None) => Vec::new(),
        }
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<usize>, Fault> {
        if let By::Session(session, name) = &self.by
            && seen
                .session(*session)
                .is_none_or(|session| session.account != *name || session.recovers)
        {
            return Ok(Decision::unchanged(0));
        }
        let account = self.account(seen, world.keys).and_then(|name| seen.account(name));
        let Some(mut account) = account.cloned() else {
            return Ok(Decision::unchanged(0));
        };
        let mut changes = Vec::new();
        let ended = end_recoveries(&mut account, &mut changes);
        if ended > 0 {
            notify(&mut account, NoticeKind::RecoveryCancelled, world, &mut changes);
            let event = Event::about(Act::RecoveryCancel, Ending::Success, &account.name, &self.origin);
            changes.push(Change::Audit(event.because(Reason::ByOwner)));
            changes.push(put(account));
        }
        Ok(Decision {
            outcome: ended,
            changes,
        })
    }
}

/// What calls a recovery off, for its owner's mail. It can be made again at any time, so the outbox keeps no secret.
///
/// # Security
/// It says nothing of the recovery's own token, and is worth nothing once the recovery is over.
pub fn cancel_token(recovery: Digest, keys: &KeyRing) -> Zeroizing<String> {
    Zeroizing::new(format!("{recovery}{}", hex(&authentication(recovery, keys))))
}

fn authentication(recovery: Digest, keys: &KeyRing) -> [u8; 32] {
    keys.index("recovery cancel", &[recovery.to_string().as_bytes()])
}
