//! Where an account's owner is reached: set by an operator, or by its owner, who owes a code for it.
//!
//! Knows: that another address voids what was sent to the old one, and that the old one is told. Must never know: how
//! anything is sent.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::enrol::{Asker, Denied, Granted, with_proof};
use super::{end_recoveries, post, put};
use crate::contact::{Email, EmailPending, MailAddress, PhoneNumber};
use crate::credential::mailed::{self, Typed};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::name::Name;
use crate::policy::RECOVERY_REFUSED_MAX;
use crate::record::{Account, Key, Notice, NoticeKind};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;
use crate::throttle::Gate;

/// What an operator sets.
#[derive(Clone, Debug)]
pub enum Contact {
    /// The mail address, or none.
    Email(Option<MailAddress>),
    /// The telephone number, or none.
    Phone(Option<PhoneNumber>),
}

/// Sets where an account's owner is reached; the operator vouches for it.
#[derive(Clone, Debug)]
pub struct Set {
    /// The account.
    pub name: Name,
    /// What is set.
    pub contact: Contact,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Set {
    /// Whether there is such an account.
    type Outcome = bool;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone())]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<bool>, Fault> {
        let Some(mut account) = seen.account(&self.name).cloned() else {
            return Ok(Decision::unchanged(false));
        };
        let mut changes = Vec::new();
        let act = match &self.contact {
            Contact::Email(address) => {
                set_address(&mut account, address.clone(), world, &mut changes);
                Act::EmailSet
            }
            Contact::Phone(number) => {
                account.phone = number.clone();
                Act::PhoneSet
            }
        };
        let event = Event::about(act, Ending::Success, &self.name, &self.origin);
        changes.push(Change::Audit(event.because(Reason::ByOperator)));
        changes.push(put(account));
        Ok(Decision {
            outcome: true,
            changes,
        })
    }
}

/// Sets the address, voids what is on its way to the old one, and tells the old one.
fn set_address(
    account: &mut Account,
    address: Option<MailAddress>,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) {
    account.email_pending = None;
    let former = account.email.take().map(|email| email.address);
    account.email = address.map(|address| Email {
        address,
        verified_at: world.now,
    });
    if former.as_ref() == account.email.as_ref().map(|email| &email.address) {
        return;
    }
    end_recoveries(account, changes);
    let notice = Notice {
        account: account.name.clone(),
        at: world.now,
        kind: NoticeKind::EmailChanged,
        delivered: false,
        former,
        recovery: None,
    };
    post(account, notice, world, changes);
}

/// A code and the address it is to be sent to; for the courier alone.
///
/// # Security
/// It has no Debug. Whoever asked for the code must not learn it from the answer.
pub struct ToSend {
    /// Where it goes.
    pub address: MailAddress,
    /// The code.
    pub code: Zeroizing<String>,
    /// Seconds it lives.
    pub expires_in_s: u32,
}

/// Asks for another address, at its owner's wish; it is the account's once the code sent there came back.
#[derive(Clone)]
pub struct Begin {
    /// Who asks; a code of the second factor is owed.
    pub asker: Asker,
    /// The address.
    pub address: MailAddress,
}

impl Rule for Begin {
    type Outcome = Result<Granted<ToSend>, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let no_factor = |account: &Account, _: &Gate<'_>, _: &World<'_>| {
            (!account.has_second_factor()).then_some(Denied::NoFactor)
        };
        with_proof(
            &self.asker,
            Act::EmailSet,
            seen,
            world,
            no_factor,
            |account, _, world, _| {
                let code = mailed::draw(world.entropy);
                let expires_in_s = world.policy.recovery.code_s;
                account.email_pending = Some(EmailPending {
                    address: self.address.clone(),
                    code: mailed::hash(&code, bound(&account.name, &self.address), world.keys),
                    expires_at: world.now.plus(u64::from(expires_in_s)),
                    wrong_codes: 0,
                });
                Ok(ToSend {
                    address: self.address.clone(),
                    code,
                    expires_in_s,
                })
            },
        )
    }
}

fn bound<'a>(name: &'a Name, address: &'a MailAddress) -> mailed::Use<'a> {
    mailed::Use::Address(name.as_str(), address.as_str())
}

/// Takes the code that was sent to an address its owner wants to have.
#[derive(Clone)]
pub struct Confirm {
    /// Who asks; its code is the one that was sent.
    pub asker: Asker,
}

impl Rule for Confirm {
    type Outcome = Result<(), Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let denied = |denied| Ok(Decision::unchanged(Err(denied)));
        let Some(mut account) = self.asker.account(seen, world) else {
            return denied(Denied::NoSession);
        };
        let pending = account.email_pending.take();
        let Some(mut pending) = pending.filter(|pending| world.now < pending.expires_at) else {
            return denied(Denied::NoFactor);
        };
        let use_of = bound(&account.name, &pending.address);
        let typed = mailed::compare(&self.asker.code, &pending.code, use_of, world.keys);
        let event = |ending| Event::about(Act::EmailSet, ending, &self.asker.name, &self.asker.origin);
        let mut changes = Vec::new();
        let outcome = match typed {
            Typed::Malformed => return denied(Denied::Malformed),
            Typed::Wrong => {
                pending.wrong_codes += 1;
                account.email_pending = Some(pending).filter(|held| held.wrong_codes < RECOVERY_REFUSED_MAX);
                changes.push(Change::Audit(event(Ending::Refused).because(Reason::WrongCode)));
                Err(Denied::Refused)
            }
            Typed::Right => {
                changes.push(Change::Audit(event(Ending::Success).because(Reason::ByOwner)));
                set_address(&mut account, Some(pending.address), world, &mut changes);
                Ok(())
            }
        };
        changes.push(put(account));
        Ok(Decision { outcome, changes })
    }
}

/// The address of an account's owner as a door may show it to them.
pub fn shown(account: &Account) -> Option<String> {
    account
        .email
        .as_ref()
        .map(|email| email.address.as_str().to_string())
}
