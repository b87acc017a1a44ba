//! The first factor: is the password right, and what is due next.
//!
//! Knows: the two halves around the hash, which is the machine's slow work and is done between them without
//! any lock: [`Begin`] says which hash to check, [`Finish`] takes the match or mismatch. Must never know: the
//! password itself.

use alloc::vec::Vec;

use countersign_core::limit::Room;
use zeroize::Zeroizing;

use super::{
    Onward, Proof, SignedIn, after_password, attempt_reads, browser_text, end_all, end_tickets, know_browser,
    note_backup_code, note_charge, notify, open_session, prove, put, settle, source,
};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::name::Name;
use crate::record::{Account, Key, NoticeKind, Password, PasswordHash};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::Level;
use crate::snapshot::Snapshot;
use crate::throttle::{Class, Gate, Source};

/// Whether a password may be checked at all, and against what.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The name given.
    pub name: Name,
    /// Who asks.
    pub origin: Origin,
}

/// The answer to [`Begin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// A budget has no room; the password is not looked at.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// Check the password against this hash; against a decoy of the same cost where there is none.
    Check {
        /// The stored hash, if the account exists and has a password.
        hash: Option<PasswordHash>,
        /// Whether the attempt comes from a known source, which has a reserved lane.
        known: bool,
    },
}

impl Rule for Begin {
    type Outcome = Begun;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        attempt_reads(&self.name, &self.origin, seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Begun>, Fault> {
        let account = seen.account(&self.name);
        let shown = browser_text(&self.origin);
        let source = source(&self.name, &self.origin, &shown, seen, world);
        let gate = Gate::new(&self.name, account.is_some(), source, seen, world.keys);
        Ok(Decision::unchanged(match gate.room(Class::Password, world) {
            Room::Closed { retry_after_s } => Begun::Throttled { retry_after_s },
            Room::Open => Begun::Check {
                hash: account
                    .and_then(|account| account.password.as_ref())
                    .map(|password| password.hash.clone()),
                known: matches!(source, Source::Known(_)),
            },
        }))
    }
}

/// What follows from a checked password.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The name given.
    pub name: Name,
    /// Who asks.
    pub origin: Origin,
    /// What was checked and what came of it.
    pub checked: Checked,
}

/// A finished hash computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The hash that was checked; none when it was the decoy.
    pub hash: Option<PasswordHash>,
    /// Whether the password matched it.
    pub matched: bool,
    /// The same password under today's parameters, when the stored hash has older ones.
    pub rehash: Option<PasswordHash>,
}

/// The answer to [`Finish`].
#[derive(Clone, Debug, PartialEq)]
pub enum Finished {
    /// A budget has no room any more; whether the password was right is not revealed.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// The password was changed while it was being checked; begin again.
    Stale,
    /// Unknown name, wrong password, disabled account: one answer.
    Refused,
    /// The password is right.
    Onward(Onward),
}

impl Rule for Finish {
    type Outcome = Finished;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        attempt_reads(&self.name, &self.origin, seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Finished>, Fault> {
        let account = seen.account(&self.name);
        let shown = browser_text(&self.origin);
        let source = source(&self.name, &self.origin, &shown, seen, world);
        let mut gate = Gate::new(&self.name, account.is_some(), source, seen, world.keys);
        if let Room::Closed { retry_after_s } = gate.room(Class::Password, world) {
            return Ok(Decision::unchanged(Finished::Throttled { retry_after_s }));
        }
        let stored = account
            .and_then(|account| account.password.as_ref())
            .map(|password| &password.hash);
        if stored != self.checked.hash.as_ref() {
            return Ok(Decision::unchanged(Finished::Stale));
        }
        let refusal = refusal(account, self.checked.matched);
        let mut changes = Vec::new();
        if let Some(reason) = refusal {
            let charged = gate.charge(Class::Password, world);
            changes.push(Change::Audit(
                self.event(account.is_some(), Ending::Refused, world)
                    .because(reason),
            ));
            if let Some(account) = account {
                let mut account = account.clone();
                if note_charge(charged, &mut account, &self.origin, world, &mut changes) {
                    changes.push(put(account));
                }
            }
            changes.extend(gate.changes());
            return Ok(Decision {
                outcome: Finished::Refused,
                changes,
            });
        }
        let mut account = account
            .expect("an attempt without a reason to refuse has an account")
            .clone();
        if let (Some(hash), Some(password)) = (&self.checked.rehash, &mut account.password) {
            password.hash = hash.clone();
        }
        changes.push(Change::Audit(self.event(true, Ending::Success, world)));
        let onward = after_password(&mut account, &self.origin, seen, world, &mut changes);
        if let Onward::SignedIn(signed_in) = &onward {
            settle(&mut account, &mut gate);
            account.sign_ins += 1;
            account.last_sign_in = Some(world.now);
            let event = Event::about(Act::SignIn, Ending::Success, &account.name, &self.origin);
            changes.push(Change::Audit(event.on(signed_in.session.digest().short())));
        }
        changes.push(put(account));
        changes.extend(gate.changes());
        Ok(Decision {
            outcome: Finished::Onward(onward),
            changes,
        })
    }
}

/// Why a checked password does not lead on, if it does not.
fn refusal(account: Option<&Account>, matched: bool) -> Option<Reason> {
    match account {
        None => Some(Reason::UnknownName),
        Some(account) if account.password.is_none() => Some(Reason::NoPassword),
        Some(_) if !matched => Some(Reason::WrongPassword),
        Some(account) if account.disabled => Some(Reason::Disabled),
        Some(_) => None,
    }
}

impl Finish {
    fn event(&self, known: bool, ending: Ending, world: &World<'_>) -> Event {
        if known {
            Event::about(Act::PasswordCheck, ending, &self.name, &self.origin)
        } else {
            Event::about_unknown(Act::PasswordCheck, ending, &self.name, &self.origin, world.keys)
        }
    }
}

/// Sets a new password from within a session, after the old one was checked and a code proven.
///
/// Every other session ends, every challenge dies, every known browser is forgotten, and the asking session
/// gets a new token.
#[derive(Clone)]
pub struct Replace {
    /// The session that asks.
    pub session: Digest,
    /// Whose password it is.
    pub name: Name,
    /// Who asks.
    pub origin: Origin,
    /// The old password's check.
    pub checked: Checked,
    /// The new password's hash.
    pub hash: PasswordHash,
    /// A code, owed when a second factor is enrolled.
    pub code: Zeroizing<alloc::string::String>,
}

/// The answer to [`Replace`].
#[derive(Clone, Debug, PartialEq)]
pub enum Replaced {
    /// A budget has no room.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// The password was changed meanwhile; begin again.
    Stale,
    /// The session is over.
    NoSession,
    /// Old password or code wrong.
    Refused,
    /// The code is not the shape of a code.
    Malformed,
    /// No decision about time can be made.
    ClockNotSet,
    /// Done; this is the new session.
    Done(SignedIn),
}

impl Rule for Replace {
    type Outcome = Replaced;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = attempt_reads(&self.name, &self.origin, seen, world);
        keys.push(Key::Session(self.session));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Replaced>, Fault> {
        let (Some(account), Some(session)) = (seen.account(&self.name), seen.session(self.session)) else {
            return Ok(Decision::unchanged(Replaced::NoSession));
        };
        if session.account != self.name {
            return Ok(Decision::unchanged(Replaced::NoSession));
        }
        let mut account = account.clone();
        let shown = browser_text(&self.origin);
        let source = source(&self.name, &self.origin, &shown, seen, world);
        let mut gate = Gate::new(&self.name, true, source, seen, world.keys);
        if let Room::Closed { retry_after_s } = gate.room(Class::Password, world) {
            return Ok(Decision::unchanged(Replaced::Throttled { retry_after_s }));
        }
        if account.password.as_ref().map(|password| &password.hash) != self.checked.hash.as_ref() {
            return Ok(Decision::unchanged(Replaced::Stale));
        }
        let mut changes = Vec::new();
        let refused = |reason| {
            Event::about(Act::PasswordChange, Ending::Refused, &self.name, &self.origin).because(reason)
        };
        if !self.checked.matched {
            let charged = gate.charge(Class::Password, world);
            changes.push(Change::Audit(refused(Reason::WrongPassword)));
            note_charge(charged, &mut account, &self.origin, world, &mut changes);
            changes.push(put(account));
            changes.extend(gate.changes());
            return Ok(Decision {
                outcome: Replaced::Refused,
                changes,
            });
        }
        let mut methods = alloc::vec!["pwd"];
        let mut replacement_code = None;
        if account.has_second_factor() {
            match prove(&mut account, &self.code, &mut gate, world)? {
                Proof::Accepted { method, replacement } => {
                    methods.extend([method, "mfa"]);
                    replacement_code = replacement;
                }
                Proof::Throttled { retry_after_s } => {
                    return Ok(Decision::unchanged(Replaced::Throttled { retry_after_s }));
                }
                Proof::Malformed => return Ok(Decision::unchanged(Replaced::Malformed)),
                Proof::ClockNotSet => return Ok(Decision::unchanged(Replaced::ClockNotSet)),
                Proof::Refused(reason, charged) => {
                    changes.push(Change::Audit(refused(reason)));
                    note_charge(charged, &mut account, &self.origin, world, &mut changes);
                    changes.push(put(account));
                    changes.extend(gate.changes());
                    return Ok(Decision {
                        outcome: Replaced::Refused,
                        changes,
                    });
                }
            }
        }
        account.password = Some(Password {
            hash: self.hash.clone(),
            changed_at: world.now,
        });
        note_backup_code(
            replacement_code.as_ref(),
            &mut account,
            &self.origin,
            world,
            &mut changes,
        );
        end_all(&mut account, Reason::ByOwner, &self.origin, &mut changes);
        end_tickets(&mut account, &mut changes);
        let level = if methods.len() > 1 { Level::Two } else { Level::One };
        let mut signed_in = open_session(&mut account, level, &methods, &self.origin, world, &mut changes);
        // All browsers were forgotten; the asking one stays known if it was.
        let origin = Origin {
            remember: self.origin.remember || matches!(source, Source::Known(_)),
            ..self.origin.clone()
        };
        signed_in.browser = know_browser(&mut account, &origin, seen, world, &mut changes);
        signed_in.replacement_code = replacement_code;
        notify(&mut account, NoticeKind::PasswordChanged, world, &mut changes);
        changes.push(Change::Audit(Event::about(
            Act::PasswordChange,
            Ending::Success,
            &self.name,
            &self.origin,
        )));
        changes.push(put(account));
        changes.extend(gate.changes());
        Ok(Decision {
            outcome: Replaced::Done(signed_in),
            changes,
        })
    }
}
