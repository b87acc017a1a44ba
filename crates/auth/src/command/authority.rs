//! Acting for others: what stands before an operator's rule when somebody signed in asks for it.
//!
//! Knows: whose session it is, and what role and proof the act takes. Must never know: what the act is. The check is
//! made in the very decision it guards, so that neither a role that was taken nor a session that was ended a moment ago
//! is worth anything. Whoever owns the machine asks without an authority. Read next: [`crate::role`].

use alloc::vec::Vec;

use countersign_core::elevation::{Demand, ElevationVerdict, Level, Standing, judge};

use super::step_up::standing_of;
use crate::id::Digest;
use crate::name::Name;
use crate::record::Key;
use crate::role::{Permission, RoleVerdict};
use crate::rule::{Decision, Fault, Rule, World};
use crate::session::is_open;
use crate::snapshot::Snapshot;

/// What an act takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The permission.
    pub permission: Permission,
    /// The account it is done to; none where it is about no account alone.
    pub over: Option<Name>,
    /// Whether it changes something. Who changes something has stepped up; who reads has shown two factors.
    pub changes: bool,
}

impl Needs {
    /// The proof it takes.
    pub fn demand(&self) -> Demand {
        if self.changes {
            Demand::ELEVATED
        } else {
            Demand {
                level: Some(Level::Two),
                ..Demand::default()
            }
        }
    }
}

/// Somebody signed in who acts by a role.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The session.
    pub session: Digest,
    /// Whose it is.
    pub name: Name,
    /// What whoever showed the session's token has proven.
    pub standing: Standing,
    /// What the act takes.
    pub needs: Needs,
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAllowed {
    /// The session is over.
    NoSession,
    /// The role lacks the permission.
    Lacking,
    /// The other account may do what this role may not.
    Outranked,
    /// It must be proven more strongly, or again.
    Elevation(ElevationVerdict),
}

/// A rule that is decided only for whoever may ask for it.
#[derive(Clone, Debug)]
pub struct Authorised<R> {
    /// Who asks; none is the machine's owner, who may everything.
    pub authority: Option<Authority>,
    /// The rule.
    pub rule: R,
}

impl<R: Rule> Rule for Authorised<R> {
    type Outcome = Result<R::Outcome, NotAllowed>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = self.rule.reads(seen, world);
        if let Some(authority) = &self.authority {
            keys.push(Key::Session(authority.session));
            keys.push(Key::Account(authority.name.clone()));
            keys.extend(authority.needs.over.clone().map(Key::Account));
        }
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let refusal = self
            .authority
            .as_ref()
            .map(|authority| authority.check(seen, world));
        if let Some(Err(why)) = refusal {
            return Ok(Decision::unchanged(Err(why)));
        }
        let Decision { outcome, changes } = self.rule.decide(seen, world)?;
        Ok(Decision {
            outcome: Ok(outcome),
            changes,
        })
    }
}

impl Authority {
    fn check(&self, seen: &Snapshot, world: &World<'_>) -> Result<(), NotAllowed> {
        let session = seen
            .session(self.session)
            .filter(|session| session.account == self.name && !session.recovers)
            .filter(|session| is_open(session.created_at, session.expires_at, world.now))
            .ok_or(NotAllowed::NoSession)?;
        let account = seen
            .account(&self.name)
            .filter(|account| !account.disabled)
            .ok_or(NotAllowed::NoSession)?;
        let Needs { permission, over, .. } = &self.needs;
        // What is done to an account that does not exist is refused by the rule itself.
        let verdict = match over.as_ref().and_then(|over| seen.account(over)) {
            Some(other) => account.role().may_over(*permission, other.role()),
            None => account.role().may(*permission),
        };
        match verdict {
            RoleVerdict::Allowed => {}
            RoleVerdict::Lacking => return Err(NotAllowed::Lacking),
            RoleVerdict::Outranked => return Err(NotAllowed::Outranked),
        }
        let standing = standing_of(session, self.standing);
        match judge(&standing, &self.needs.demand(), world.now) {
            ElevationVerdict::Met => Ok(()),
            owed => Err(NotAllowed::Elevation(owed)),
        }
    }
}
