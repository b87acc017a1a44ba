//! What an operator may do to accounts: add, disable, enable, reset, remove factors, end sessions, lift the throttle.
//!
//! Knows: that the operator vouches but never chooses a person's password in a reset. Must never know: how
//! the operator was recognised: the machine's owner by the machine, somebody signed in by [`super::authority`].

use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::enrol::Made;
use super::{end_all, end_tickets, enrol, found, notify, put, settle, ticket};
use crate::claim::is_word;
use crate::credential::{Factor, Wish, removed};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Token;
use crate::name::Name;
use crate::policy::{FACTORS_MAX, GROUPS_MAX};
use crate::record::{Account, Key, NoticeKind, Password, PasswordHash};
use crate::role::Role;
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;
use crate::throttle::{self, Gate, Source};

/// Adds an account.
#[derive(Clone, Debug)]
pub struct Add {
    /// Its name.
    pub name: Name,
    /// Its groups.
    pub groups: Vec<String>,
    /// The hash of its password; without one an invitation ticket is issued.
    pub hash: Option<PasswordHash>,
    /// Whether to make a second factor, confirmed at once because the operator vouches for it.
    pub totp: bool,
    /// Who asks.
    pub origin: Origin,
}

/// What adding an account brought, to be shown once.
pub struct Added {
    /// The second factor, when one was asked for.
    pub enrolment: Option<enrol::Enrolment>,
    /// The invitation by which its owner sets a password, when none was given, and the seconds it lives.
    pub invitation: Option<(Token, u32)>,
}

/// Why an account was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// The name is taken, in this or another spelling.
    NameTaken,
    /// More groups than an account can be in.
    TooManyGroups,
    /// A name that no group can have.
    Group,
}

impl Rule for Add {
    type Outcome = Result<Added, NotAdded>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone()), Key::Founder]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        if seen.account(&self.name).is_some() {
            return Ok(Decision::unchanged(Err(NotAdded::NameTaken)));
        }
        if self.groups.len() > GROUPS_MAX {
            return Ok(Decision::unchanged(Err(NotAdded::TooManyGroups)));
        }
        if !self.groups.iter().all(|group| is_word(group)) {
            return Ok(Decision::unchanged(Err(NotAdded::Group)));
        }
        let mut account = Account::new(self.name.clone(), world.now);
        account.groups = self.groups.clone();
        account.password = self.hash.clone().map(|hash| Password {
            hash,
            changed_at: world.now,
        });
        let event = |act| Event::about(act, Ending::Success, &self.name, &self.origin);
        let mut changes = alloc::vec![Change::Audit(event(Act::AccountAdd))];
        if account.role() != Role::User {
            changes.push(Change::Audit(event(Act::RoleSet).on(account.role().name())));
        }
        if account.is_admin() && seen.record(&Key::Founder).is_none() {
            changes.push(found(&self.name));
        }
        let enrolment = if self.totp {
            let enrolment = enrol::make(&mut account, &Wish::Authenticator, "", Made::Confirmed, world)?;
            let confirmed = event(Act::FactorConfirm).because(Reason::ByOperator);
            changes.push(Change::Audit(confirmed.on(enrolment.factor.clone())));
            Some(enrolment)
        } else {
            None
        };
        let invitation = self.hash.is_none().then(|| {
            let token = ticket::invite(&mut account, world, &mut changes);
            changes.push(Change::Audit(event(Act::TicketIssue)));
            (token, world.policy.ticket_s)
        });
        changes.push(put(account));
        Ok(Decision {
            outcome: Ok(Added {
                enrolment,
                invitation,
            }),
            changes,
        })
    }
}

/// Makes another second factor for an account, confirmed at once.
#[derive(Clone, Debug)]
pub struct Vouch {
    /// Whose factor it is.
    pub name: Name,
    /// A name for the factor.
    pub label: String,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Vouch {
    /// The factor, or none when there is no such account or no room.
    type Outcome = Option<enrol::Enrolment>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone())]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let Some(mut account) = seen.account(&self.name).cloned() else {
            return Ok(Decision::unchanged(None));
        };
        // What is pending was begun by whoever knew the password alone; the operator vouches for nothing of it.
        account.factors.retain(Factor::is_active);
        if account.factors.len() + 2 > FACTORS_MAX {
            return Ok(Decision::unchanged(None));
        }
        let mut changes = Vec::new();
        if !account.has_second_factor() {
            end_all(&mut account, Reason::ByOperator, &self.origin, &mut changes);
        }
        let enrolment = enrol::make(
            &mut account,
            &Wish::Authenticator,
            &self.label,
            Made::Confirmed,
            world,
        )?;
        notify(&mut account, NoticeKind::FactorAdded, world, &mut changes);
        let event = Event::about(Act::FactorConfirm, Ending::Success, &self.name, &self.origin);
        changes.push(Change::Audit(
            event.because(Reason::ByOperator).on(enrolment.factor.clone()),
        ));
        changes.push(put(account));
        Ok(Decision {
            outcome: Some(enrolment),
            changes,
        })
    }
}

/// What is to happen to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Refuse every sign-in and end every session.
    Disable,
    /// Let it sign in again.
    Enable,
    /// Remove its second factors, end its sessions, lift its throttle and issue a ticket to set a new
    /// password.
    Reset,
    /// Remove its second factors and backup codes and end its sessions; the password stays, and its next sign-in must
    /// enrol.
    RemoveFactors,
    /// Remove the second factor of this identifier, and with the last one the backup codes; end its sessions.
    RemoveFactor(String),
    /// End its sessions and forget its browsers.
    EndSessions,
    /// End the session of this short identifier.
    EndSession(String),
    /// Forget the failures counted against it.
    Lift,
}

/// Carries out an operator's act on an account.
#[derive(Clone, Debug)]
pub struct Manage {
    /// The account.
    pub name: Name,
    /// What is to happen.
    pub action: Action,
    /// Who asks.
    pub origin: Origin,
}

/// What came of [`Manage`].
#[derive(Clone, Debug, PartialEq)]
pub enum Managed {
    /// There is no such account.
    NoAccount,
    /// The account is disabled, and a link would open nothing.
    Disabled,
    /// The account has no second factor that could be removed, or none of that identifier.
    NoFactor,
    /// The account has no open session of that identifier.
    NoSession,
    /// Done.
    Done,
    /// Done, and this ticket lets its owner set a password.
    Ticket(Token, u32),
}

impl Rule for Manage {
    type Outcome = Managed;

    fn reads(&self, _: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = throttle::reads(&self.name, self.source(), world.keys);
        keys.push(Key::Account(self.name.clone()));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Managed>, Fault> {
        let Some(mut account) = seen.account(&self.name).cloned() else {
            return Ok(Decision::unchanged(Managed::NoAccount));
        };
        if account.disabled && self.action == Action::Reset {
            return Ok(Decision::unchanged(Managed::Disabled));
        }
        let mut changes = Vec::new();
        let mut outcome = Managed::Done;
        let event = |act| Event::about(act, Ending::Success, &self.name, &self.origin);
        let mut object = String::new();
        let act = match &self.action {
            Action::Disable => {
                disable(&mut account, &self.origin, &mut changes);
                Act::AccountDisable
            }
            Action::Enable => {
                account.disabled = false;
                Act::AccountEnable
            }
            Action::Reset => {
                removed::part_with(&mut account, |_| true, world);
                account.password = None;
                self.end_all(&mut account, &mut changes);
                changes.extend(self.lift(&mut account, seen, world));
                notify(&mut account, NoticeKind::AccountReset, world, &mut changes);
                let token = ticket::invite(&mut account, world, &mut changes);
                outcome = Managed::Ticket(token, world.policy.ticket_s);
                Act::AccountReset
            }
            Action::RemoveFactors => {
                if account.factors.is_empty() {
                    return Ok(Decision::unchanged(Managed::NoFactor));
                }
                removed::part_with(&mut account, |_| true, world);
                self.end_all(&mut account, &mut changes);
                let kind = NoticeKind::FactorsRemovedByOperator;
                notify(&mut account, kind, world, &mut changes);
                Act::FactorsRemove
            }
            Action::RemoveFactor(id) => {
                if !account.factors.iter().any(|factor| factor.id == *id) {
                    return Ok(Decision::unchanged(Managed::NoFactor));
                }
                removed::part_with(&mut account, |factor| factor.id == *id, world);
                if !account.has_second_factor() {
                    removed::part_with(&mut account, |_| true, world);
                }
                self.end_all(&mut account, &mut changes);
                notify(&mut account, NoticeKind::FactorRemoved, world, &mut changes);
                object.clone_from(id);
                Act::FactorRemove
            }
            Action::EndSessions => {
                self.end_all(&mut account, &mut changes);
                Act::SessionsEnd
            }
            Action::EndSession(id) => {
                let Some(at) = account.sessions.iter().position(|open| open.id.short() == *id) else {
                    return Ok(Decision::unchanged(Managed::NoSession));
                };
                let open = account.sessions.remove(at);
                changes.push(Change::Delete(Key::Session(open.id)));
                object.clone_from(id);
                Act::SessionEnd
            }
            Action::Lift => {
                changes.extend(self.lift(&mut account, seen, world));
                Act::ThrottleLift
            }
        };
        changes.push(Change::Audit(match object.is_empty() {
            true => event(act),
            // Owners do these as well.
            false => event(act).because(Reason::ByOperator).on(object),
        }));
        changes.push(put(account));
        Ok(Decision { outcome, changes })
    }
}

impl Manage {
    fn end_all(&self, account: &mut Account, changes: &mut Vec<Change>) {
        end_all(account, Reason::ByOperator, &self.origin, changes);
    }

    /// Pairs of the account with single sources lapse within minutes; what an operator lifts is the account's
    /// own counts.
    fn source(&self) -> Source<'_> {
        Source::Stranger(&self.origin.network)
    }

    fn lift(&self, account: &mut Account, seen: &Snapshot, world: &World<'_>) -> Vec<Change> {
        let mut gate = Gate::new(&self.name, true, self.source(), seen, world.keys);
        settle(account, &mut gate);
        gate.changes().collect()
    }
}

/// Forgets what is held against a network over all names.
///
/// What it has together with one account stays, and lapses within minutes.
#[derive(Clone, Debug)]
pub struct LiftSource {
    /// The network, as the audit spells it.
    pub network: String,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for LiftSource {
    /// Whether anything was held against it.
    type Outcome = bool;

    fn reads(&self, _: &Snapshot, world: &World<'_>) -> Vec<Key> {
        alloc::vec![throttle::bucket_of_source(&self.network, world.keys)]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<bool>, Fault> {
        let Some(forgotten) = throttle::forget_source(&self.network, seen, world.keys) else {
            return Ok(Decision::unchanged(false));
        };
        let event = Event::plain(Act::ThrottleLift, Ending::Success, &self.origin).on(self.network.as_str());
        Ok(Decision {
            outcome: true,
            changes: alloc::vec![forgotten, Change::Audit(event)],
        })
    }
}

/// Refuses every sign-in of an account from now on, and ends all that is open in its name.
pub(super) fn disable(account: &mut Account, origin: &Origin, changes: &mut Vec<Change>) {
    account.disabled = true;
    end_all(account, Reason::ByOperator, origin, changes);
    end_tickets(account, changes);
}

/// The texts of an enrolment's backup codes, as the operator hands them over.
pub fn texts(codes: &[Zeroizing<String>]) -> Vec<&str> {
    codes.iter().map(|code| code.as_str()).collect()
}
