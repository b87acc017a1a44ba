//! Tickets: the single-use, short-lived links by which a password is first set or set again.
//!
//! Knows: that the first administrator needs one, and that an operator begins a reset but never chooses the
//! password. Must never know: how the link is printed or sent.

use alloc::vec::Vec;

use super::{Onward, after_password, end_all, end_tickets, found, notify, put};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{Digest, Token};
use crate::name::Name;
use crate::record::{Account, Key, NoticeKind, Open, Password, PasswordHash, Record, Ticket, TicketPurpose};
use crate::role::Role;
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::is_open;
use crate::snapshot::Snapshot;

/// Issues a ticket.
#[derive(Clone, Debug)]
pub struct Issue {
    /// What it is for.
    pub purpose: TicketPurpose,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Issue {
    /// The ticket's token and the seconds it lives; none when its account does not exist or is disabled, or
    /// when it would make a first administrator and there is one.
    type Outcome = Option<(Token, u32)>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        match &self.purpose {
            TicketPurpose::FirstAdministrator => alloc::vec![Key::Founder],
            TicketPurpose::Account(name) => alloc::vec![Key::Account(name.clone())],
        }
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let mut changes = Vec::new();
        let token = match &self.purpose {
            TicketPurpose::FirstAdministrator if seen.record(&Key::Founder).is_some() => {
                return Ok(Decision::unchanged(None));
            }
            TicketPurpose::FirstAdministrator => {
                let event = Event::plain(Act::TicketIssue, Ending::Success, &self.origin);
                changes.push(Change::Audit(event));
                draw(TicketPurpose::FirstAdministrator, world, &mut changes)
            }
            TicketPurpose::Account(name) => {
                let Some(mut account) = seen.account(name).filter(|account| !account.disabled).cloned()
                else {
                    return Ok(Decision::unchanged(None));
                };
                let event = Event::about(Act::TicketIssue, Ending::Success, name, &self.origin);
                changes.push(Change::Audit(event));
                let token = invite(&mut account, world, &mut changes);
                if account.password.is_some() {
                    notify(&mut account, NoticeKind::LinkIssued, world, &mut changes);
                }
                changes.push(put(account));
                token
            }
        };
        let outcome = Some((token, world.policy.ticket_s));
        Ok(Decision { outcome, changes })
    }
}

/// Draws the one ticket by which an account's owner sets a password; older ones are void from now on.
pub(crate) fn invite(account: &mut Account, world: &mut World<'_>, changes: &mut Vec<Change>) -> Token {
    end_tickets(account, changes);
    let token = draw(TicketPurpose::Account(account.name.clone()), world, changes);
    account.tickets.push(Open {
        id: token.digest(),
        expires_at: world.now.plus(u64::from(world.policy.ticket_s)),
    });
    token
}

fn draw(purpose: TicketPurpose, world: &mut World<'_>, changes: &mut Vec<Change>) -> Token {
    let token = Token::draw(world.entropy);
    let expires_at = world.now.plus(u64::from(world.policy.ticket_s));
    let record = Record::Ticket(Ticket {
        purpose,
        created_at: world.now,
        expires_at,
    });
    changes.push(Change::Put(Key::Ticket(token.digest()), record));
    token
}

/// Says what a ticket is for, without using it.
#[derive(Clone, Debug)]
pub struct Look {
    /// Digest of the ticket's token.
    pub ticket: Digest,
}

impl Rule for Look {
    type Outcome = Option<TicketPurpose>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Ticket(self.ticket)]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let ticket = seen
            .ticket(self.ticket)
            .filter(|ticket| is_open(ticket.created_at, ticket.expires_at, world.now));
        Ok(Decision::unchanged(ticket.map(|ticket| ticket.purpose.clone())))
    }
}

/// Uses a ticket up: sets the password, and opens a session in which a second factor is enrolled, or a challenge
/// where there is one already. A ticket stands for the password, never for the second factor.
#[derive(Clone, Debug)]
pub struct Redeem {
    /// Digest of the ticket's token.
    pub ticket: Digest,
    /// The name of the account: chosen for the first administrator, given for everyone else.
    pub name: Name,
    /// The hash of the chosen password.
    pub hash: PasswordHash,
    /// Who asks.
    pub origin: Origin,
}

/// Why a ticket was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRedeemed {
    /// Unknown, over, used, void, or for another account.
    NoTicket,
    /// The name is taken.
    NameTaken,
}

impl Rule for Redeem {
    type Outcome = Result<Onward, NotRedeemed>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![
            Key::Account(self.name.clone()),
            Key::Ticket(self.ticket),
            Key::Founder,
        ]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let refuse = |why| Ok(Decision::unchanged(Err(why)));
        let Some(ticket) = seen
            .ticket(self.ticket)
            .filter(|ticket| is_open(ticket.created_at, ticket.expires_at, world.now))
        else {
            return refuse(NotRedeemed::NoTicket);
        };
        let mut changes = Vec::new();
        if ticket.purpose == TicketPurpose::FirstAdministrator {
            changes.push(Change::Delete(Key::Ticket(self.ticket)));
        }
        let mut account = match (&ticket.purpose, seen.account(&self.name)) {
            (TicketPurpose::FirstAdministrator, _) if seen.record(&Key::Founder).is_some() => {
                return refuse(NotRedeemed::NoTicket);
            }
            (TicketPurpose::FirstAdministrator, Some(_)) => return refuse(NotRedeemed::NameTaken),
            (TicketPurpose::FirstAdministrator, None) => {
                let mut account = Account::new(self.name.clone(), world.now);
                Role::Administrator.take_hold(&mut account.groups);
                changes.push(found(&self.name));
                let event = Event::about(Act::AccountAdd, Ending::Success, &self.name, &self.origin);
                changes.push(Change::Audit(event));
                account
            }
            (TicketPurpose::Account(name), Some(account))
                if *name == self.name
                    && !account.disabled
                    && account.tickets.iter().any(|open| open.id == self.ticket) =>
            {
                account.clone()
            }
            (TicketPurpose::Account(_), _) => return refuse(NotRedeemed::NoTicket),
        };
        if account.password.is_some() {
            notify(&mut account, NoticeKind::PasswordChanged, world, &mut changes);
        }
        account.password = Some(Password {
            hash: self.hash.clone(),
            changed_at: world.now,
        });
        end_all(&mut account, Reason::ByOwner, &self.origin, &mut changes);
        end_tickets(&mut account, &mut changes);
        let event = Event::about(Act::TicketRedeem, Ending::Success, &self.name, &self.origin);
        changes.push(Change::Audit(event));
        let onward = after_password(&mut account, &self.origin, seen, world, &mut changes);
        changes.push(put(account));
        Ok(Decision {
            outcome: Ok(onward),
            changes,
        })
    }
}
