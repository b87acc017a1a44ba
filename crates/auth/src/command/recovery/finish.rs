//! What two proofs allow, once the delay is over: a new password, or a session in which a second factor is enrolled.
//!
//! Knows: that the factor which was proven stays as it is. Must never know: how either was proven.

use alloc::vec::Vec;

use super::super::{Onward, SignedIn, after_password, end_all, end_tickets, notify, open_session, put};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::name::Name;
use crate::record::{Account, Key, Lost, NoticeKind, Open, Password, PasswordHash, Proven, Record};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::{Level, is_open};
use crate::snapshot::Snapshot;

/// Says what a proven recovery allows, without using it.
#[derive(Clone, Debug)]
pub struct Look {
    /// Digest of the recovery's token.
    pub recovery: Digest,
}

impl Rule for Look {
    /// Whose account it is and what was lost; nothing before it is proven.
    type Outcome = Option<(Name, Lost)>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Recovery(self.recovery)]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let proven = proven(self.recovery, seen, world);
        Ok(Decision::unchanged(
            proven.map(|proven| (proven.account.clone(), proven.lost)),
        ))
    }
}

fn proven<'a>(recovery: Digest, seen: &'a Snapshot, world: &World<'_>) -> Option<&'a Proven> {
    let recovery = seen.recovery(recovery)?;
    let is_live = is_open(recovery.created_at, recovery.expires_at, world.now);
    recovery.proven.as_ref().filter(|_| is_live)
}

/// Carries a proven recovery out; it is used up by that.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Digest of the recovery's token.
    pub recovery: Digest,
    /// The hash of the new password, where the password was lost.
    pub hash: Option<PasswordHash>,
    /// Who asks.
    pub origin: Origin,
}

/// The answer to [`Finish`].
#[derive(Clone, Debug, PartialEq)]
pub enum Finished {
    /// The recovery is unknown, over, called off, or was not proven.
    NoRecovery,
    /// The delay is not over.
    NotYet {
        /// Seconds to wait.
        ready_in_s: u32,
    },
    /// A new password is owed, and nothing was used up.
    PasswordMissing,
    /// Done.
    Onward(Onward),
}

impl Rule for Finish {
    type Outcome = Finished;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = alloc::vec![Key::Recovery(self.recovery)];
        if seen.holds(&keys[0]) {
            let account = proven(self.recovery, seen, world).map(|proven| proven.account.clone());
            keys.extend(account.map(Key::Account));
        }
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Finished>, Fault> {
        let Some(proven) = proven(self.recovery, seen, world) else {
            return Ok(Decision::unchanged(Finished::NoRecovery));
        };
        let is_this = |open: &Open| open.id == self.recovery;
        let account = seen
            .account(&proven.account)
            .filter(|account| !account.disabled && account.recoveries.iter().any(is_this));
        let Some(mut account) = account.cloned() else {
            return Ok(Decision::unchanged(Finished::NoRecovery));
        };
        if world.now < proven.ready_at {
            let ready_in_s = u32::try_from(proven.ready_at.since(world.now)).unwrap_or(u32::MAX);
            return Ok(Decision::unchanged(Finished::NotYet { ready_in_s }));
        }
        let event = Event::about(Act::RecoveryFinish, Ending::Success, &account.name, &self.origin);
        let mut changes = alloc::vec![Change::Audit(event.on(self.recovery.short()))];
        let onward = match (proven.lost, &self.hash) {
            (Lost::Password, None) => return Ok(Decision::unchanged(Finished::PasswordMissing)),
            (Lost::Password, Some(hash)) => self.set_password(&mut account, hash, seen, world, &mut changes),
            (Lost::SecondFactor, _) => {
                Onward::SignedIn(self.open_enrolment(&mut account, world, &mut changes))
            }
        };
        changes.push(put(account));
        Ok(Decision {
            outcome: Finished::Onward(onward),
            changes,
        })
    }
}

impl Finish {
    /// As a ticket does: the password is new, everything open ends, and the second factor is owed as ever.
    fn set_password(
        &self,
        account: &mut Account,
        hash: &PasswordHash,
        seen: &Snapshot,
        world: &mut World<'_>,
        changes: &mut Vec<Change>,
    ) -> Onward {
        account.password = Some(Password {
            hash: hash.clone(),
            changed_at: world.now,
        });
        end_all(account, Reason::ByOwner, &self.origin, changes);
        end_tickets(account, changes);
        notify(account, NoticeKind::PasswordRecovered, world, changes);
        after_password(account, &self.origin, seen, world, changes)
    }

    /// A session that may enrol and nothing else. The lost factors stay until the new one is confirmed, and so does
    /// every session: whoever finds the phone meanwhile is still in.
    fn open_enrolment(
        &self,
        account: &mut Account,
        world: &mut World<'_>,
        changes: &mut Vec<Change>,
    ) -> SignedIn {
        account.recoveries.retain(|open| open.id != self.recovery);
        changes.push(Change::Delete(Key::Recovery(self.recovery)));
        let mut signed_in = open_session(account, Level::One, &["pwd"], &self.origin, world, changes);
        let opened = changes.iter_mut().rev().find_map(|change| match change {
            Change::Put(Key::Session(_), Record::Session(session)) => Some(session),
            _ => None,
        });
        if let Some(session) = opened {
            session.recovers = true;
        }
        signed_in.must_enrol = true;
        signed_in
    }
}
