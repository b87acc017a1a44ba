//! A code that is sent: asked for by whoever owes one, to the telephone that the account's owner confirmed.
//!
//! Knows: who may ask, how often, and that nothing is said of whether there is such a factor. Must never know: how a
//! code travels; it leaves in the outcome, for the courier alone, and no record holds more of it than a keyed hash.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::limit::Room;
use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

use super::code::open_challenge;
use super::enrol::Asker;
use super::{attempt_reads, browser_text, put, source};
use crate::asks;
use crate::credential::{Factor, FactorState, Holder, ToText};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::name::Name;
use crate::record::{Account, Key};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;
use crate::throttle::{Gate, Sent};

/// In whose name text messages count among what an account's owner is asked; no application is called so.
const TEXTS: &str = "text messages";

/// Who asks for a code.
#[derive(Clone)]
pub enum By {
    /// Whoever proved the password, by the digest of the challenge's token.
    Challenge(Digest),
    /// Somebody signed in.
    Session(Digest, Name),
}

/// Asks for a code to be sent.
#[derive(Clone)]
pub struct Send {
    /// Who asks.
    pub by: By,
    /// From where.
    pub origin: Origin,
}

/// The answer to [`Send`].
pub enum Asked {
    /// The challenge or the session is over.
    Over,
    /// Too much was asked for already; nothing was sent.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// Whatever there was to send is sent. No door may say whether there was anything.
    Accepted(Option<(Name, ToText)>),
}

impl Send {
    /// Whose code is asked for, as far as is known.
    fn name<'a>(&'a self, seen: &'a Snapshot, world: &World<'_>) -> Option<&'a Name> {
        match &self.by {
            By::Challenge(id) => open_challenge(*id, seen, world).map(|challenge| &challenge.account),
            By::Session(_, name) => Some(name),
        }
    }

    fn key(&self) -> Key {
        match &self.by {
            By::Challenge(id) => Key::Challenge(*id),
            By::Session(id, _) => Key::Session(*id),
        }
    }

    /// The account, if whoever asks may owe a code of it.
    fn account(&self, seen: &Snapshot, world: &World<'_>) -> Option<Account> {
        match &self.by {
            By::Challenge(_) => {
                let account = seen.account(self.name(seen, world)?)?;
                (!account.disabled).then(|| account.clone())
            }
            By::Session(session, name) => {
                let asker = Asker {
                    session: *session,
                    name: name.clone(),
                    code: Zeroizing::default(),
                    origin: self.origin.clone(),
                };
                asker.account(seen, world)
            }
        }
    }
}

impl Rule for Send {
    type Outcome = Asked;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = alloc::vec![self.key()];
        if !seen.holds(&keys[0]) {
            return keys;
        }
        if let Some(name) = self.name(seen, world) {
            keys.extend(attempt_reads(name, &self.origin, seen, world));
        }
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Asked>, Fault> {
        let Some(mut account) = self.account(seen, world) else {
            return Ok(Decision::unchanged(Asked::Over));
        };
        let name = account.name.clone();
        let shown = browser_text(&self.origin);
        let source = source(&name, &self.origin, &shown, seen, world);
        let mut gate = Gate::new(&name, true, source, seen, world.keys);
        if let Room::Closed { retry_after_s } = request_room(&account, &gate, world) {
            return Ok(Decision::unchanged(Asked::Throttled { retry_after_s }));
        }
        count(&mut account, &mut gate, world);
        let sent = send(&mut account, world);
        let (event, to_text) = match sent {
            Some((factor, to_text)) => (entry(&name, &factor, &self.origin), Some((name.clone(), to_text))),
            None => {
                let event = Event::about(Act::CodeSend, Ending::Refused, &name, &self.origin);
                (Change::Audit(event.because(Reason::NoFactor)), None)
            }
        };
        let mut changes = alloc::vec![event, put(account)];
        changes.extend(gate.changes());
        Ok(Decision {
            outcome: Asked::Accepted(to_text),
            changes,
        })
    }
}

/// Draws a code of the telephone that was confirmed last; says which it was.
fn send(account: &mut Account, world: &mut World<'_>) -> Option<(String, ToText)> {
    let factors = account.factors.iter_mut().filter(|factor| is_sent(factor));
    let factor = factors.max_by_key(|factor| confirmed_at(factor))?;
    let holder = Holder {
        account: &account.name,
        factor: &factor.id,
    };
    let to_text = factor.credential.provider_mut().send(holder, world)?;
    Some((factor.id.clone(), to_text))
}

fn confirmed_at(factor: &Factor) -> Option<UnixSeconds> {
    match factor.state {
        FactorState::Active(at) => Some(at),
        FactorState::Pending(_) => None,
    }
}

fn is_sent(factor: &Factor) -> bool {
    factor.is_active() && factor.credential.provider().is_sent()
}

/// Whether an account has a factor whose codes are sent, and the policy lets them be.
pub fn can_ask(account: &Account, sms_codes: bool) -> bool {
    sms_codes && account.factors.iter().any(is_sent)
}

/// Whether one more message may be sent in an account's name: by what may be asked for from there, and by what one
/// telephone is asked to bear.
pub(super) fn request_room(account: &Account, gate: &Gate<'_>, world: &World<'_>) -> Room {
    let bearable = asks::take(&mut account.asks.clone(), TEXTS, world.now);
    gate.request_room(Sent::Text, world).and(bearable)
}

/// Counts a message, or the wish for one.
pub(super) fn count(account: &mut Account, gate: &mut Gate<'_>, world: &World<'_>) {
    gate.request(Sent::Text, world);
    // There was room a moment ago, in this very decision.
    let _ = asks::take(&mut account.asks, TEXTS, world.now);
}

/// The entry of a code that was sent for a factor.
pub(super) fn entry(name: &Name, factor: &str, origin: &Origin) -> Change {
    Change::Audit(Event::about(Act::CodeSend, Ending::Success, name, origin).on(factor))
}

/// Says whether whoever holds a challenge may ask for a code, so that a page offers it.
#[derive(Clone)]
pub struct Look {
    /// Digest of the challenge's token.
    pub challenge: Digest,
}

impl Rule for Look {
    type Outcome = bool;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = alloc::vec![Key::Challenge(self.challenge)];
        if seen.holds(&keys[0]) {
            let challenge = open_challenge(self.challenge, seen, world);
            keys.extend(challenge.map(|challenge| Key::Account(challenge.account.clone())));
        }
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<bool>, Fault> {
        let challenge = open_challenge(self.challenge, seen, world);
        let account = challenge.and_then(|challenge| seen.account(&challenge.account));
        let can_ask = account.is_some_and(|account| can_ask(account, world.policy.sms_codes));
        Ok(Decision::unchanged(can_ask))
    }
}
