//! An operator's word for the owner of an account: one proof of a recovery, and worth nothing without another.
//!
//! Knows: that it is a recovery of its own, whose token the operator hands over, and which whatever ends a recovery
//! ends. Must never know: how the operator recognised the person. Read next: [`super::prove`], for what stands beside
//! it.

use alloc::string::String;
use alloc::vec::Vec;

use super::{obstacle, standing, tag};
use crate::command::{self, notify, put};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{Digest, Token};
use crate::name::Name;
use crate::policy::RECOVERIES_MAX;
use crate::record::{Key, NoticeKind, Open, Record, Recovery};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session;
use crate::snapshot::Snapshot;

/// Vouches for whoever will show the token.
#[derive(Clone, Debug)]
pub struct Vouch {
    /// Whose account it is.
    pub name: Name,
    /// Who vouches.
    pub origin: Origin,
}

/// Why nobody was vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotVouched {
    /// There is no such account.
    NoAccount,
    /// The account is not one that is recovered, for this reason.
    Because(Reason),
}

impl Rule for Vouch {
    /// The token and the seconds it lives.
    type Outcome = Result<(Token, u32), NotVouched>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone())]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let Some(mut account) = seen.account(&self.name).cloned() else {
            return Ok(Decision::unchanged(Err(NotVouched::NoAccount)));
        };
        if let Some(reason) = obstacle(&account) {
            return Ok(Decision::unchanged(Err(NotVouched::Because(reason))));
        }
        let expires_in_s = world.policy.ticket_s;
        let token = Token::draw(world.entropy);
        let recovery = Recovery {
            name: tag(&self.name, world.keys),
            created_at: world.now,
            expires_at: world.now.plus(u64::from(expires_in_s)),
            code: String::new(),
            standing: standing(Some(&account), world.keys),
            refused: 0,
            vouched: true,
            proven: None,
        };
        let mut changes = Vec::new();
        command::make_room(
            &mut account.recoveries,
            RECOVERIES_MAX,
            Key::Recovery,
            world,
            &mut changes,
        );
        account.recoveries.push(Open {
            id: token.digest(),
            expires_at: recovery.expires_at,
        });
        notify(&mut account, NoticeKind::RecoveryVouched, world, &mut changes);
        let event = Event::about(Act::RecoveryVouch, Ending::Success, &self.name, &self.origin);
        changes.push(Change::Audit(
            event.because(Reason::ByOperator).on(token.digest().short()),
        ));
        changes.push(Change::Put(
            Key::Recovery(token.digest()),
            Record::Recovery(recovery),
        ));
        changes.push(put(account));
        Ok(Decision {
            outcome: Ok((token, expires_in_s)),
            changes,
        })
    }
}

/// Whether a token is an operator's word for this very account as it still is. What ended it has deleted it.
pub(super) fn is_open(ticket: Digest, name: &Name, seen: &Snapshot, world: &World<'_>) -> bool {
    seen.recovery(ticket).is_some_and(|recovery| {
        recovery.vouched
            && recovery.proven.is_none()
            && session::is_open(recovery.created_at, recovery.expires_at, world.now)
            && recovery.name == tag(name, world.keys)
            && recovery.standing == standing(seen.account(name), world.keys)
    })
}
