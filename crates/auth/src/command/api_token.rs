//! Tokens for programs: made at their owner's wish or an operator's, revoked one by one or with all that is open.
//!
//! Knows: that a token is shown once and kept as a digest, and that its owner is told. Must never know: who takes one;
//! Countersign's own API and pages never do.
//!
//! Read next: [`ApiToken`] for what one is worth.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::time::UnixSeconds;

use super::enrol::{Asker, Denied, Granted, with_proof};
use super::{bounded, notify, put};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{ApiTokenText, Digest};
use crate::name::Name;
use crate::policy::{API_TOKENS_MAX, LABEL_CHARS_MAX};
use crate::record::{Account, ApiToken, Key, NoticeKind, Open, Record};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;

/// What a token is to be; whoever asks has held it to its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What its owner calls it, cut to a bound.
    pub label: String,
    /// Seconds that it lives.
    pub lives_s: u64,
    /// The protected hosts it is good at, in lower case; all of them when empty.
    pub hosts: Vec<String>,
}

/// A token that was just made, shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The token.
    pub token: ApiTokenText,
    /// Its record's key.
    pub id: Digest,
    /// What is kept of it.
    pub kept: ApiToken,
}

/// Makes a token at its owner's wish, who owes a code.
#[derive(Clone)]
pub struct Make {
    /// Who asks; a code of the second factor is owed.
    pub asker: Asker,
    /// What it is to be.
    pub wish: Wish,
}

impl Rule for Make {
    /// [`Denied::NoFactor`] without a second factor: a token outlives every session, so a password alone makes none.
    type Outcome = Result<Granted<Made>, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        with_proof(
            &self.asker,
            Act::ApiTokenMake,
            seen,
            world,
            |account, _, world| match account.has_second_factor() {
                false => Some(Denied::NoFactor),
                true => is_full(account, world.now).then_some(Denied::TooMany),
            },
            |account, _, world, changes| {
                let (origin, reason) = (&self.asker.origin, Reason::ByOwner);
                Ok(make(account, &self.wish, reason, origin, world, changes))
            },
        )
    }
}

/// Makes a token for an account's owner, whom an operator hands it to.
#[derive(Clone, Debug)]
pub struct Add {
    /// The account.
    pub name: Name,
    /// What it is to be.
    pub wish: Wish,
    /// Who asks.
    pub origin: Origin,
}

/// Why an operator's wish for a token came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdded {
    /// There is no such account.
    NoAccount,
    /// It is disabled.
    Disabled,
    /// It has as many tokens as it can.
    TooMany,
}

impl Rule for Add {
    type Outcome = Result<Made, NotAdded>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone())]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let refuse = |why| Ok(Decision::unchanged(Err(why)));
        let Some(mut account) = seen.account(&self.name).cloned() else {
            return refuse(NotAdded::NoAccount);
        };
        if account.disabled {
            return refuse(NotAdded::Disabled);
        }
        if is_full(&account, world.now) {
            return refuse(NotAdded::TooMany);
        }
        let mut changes = Vec::new();
        let (origin, reason) = (&self.origin, Reason::ByOperator);
        let made = make(&mut account, &self.wish, reason, origin, world, &mut changes);
        changes.push(put(account));
        Ok(Decision {
            outcome: Ok(made),
            changes,
        })
    }
}

/// Who wants a token revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoker {
    /// Its owner, in this session.
    Owner(Digest),
    /// An operator.
    Operator,
}

/// Revokes a token; whoever shows it is nobody from then on.
#[derive(Clone, Debug)]
pub struct Revoke {
    /// Whose token it is.
    pub name: Name,
    /// Its short identifier.
    pub short: String,
    /// Who wants it.
    pub revoker: Revoker,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Revoke {
    /// Whether there was such a token.
    type Outcome = bool;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        let mut keys = alloc::vec![Key::Account(self.name.clone())];
        if let Revoker::Owner(session) = self.revoker {
            keys.push(Key::Session(session));
        }
        keys
    }

    fn decide(&self, seen: &Snapshot, _: &mut World<'_>) -> Result<Decision<bool>, Fault> {
        let (may, reason) = match self.revoker {
            Revoker::Owner(session) => {
                let asking = seen.session(session);
                let is_own = asking.is_some_and(|session| session.account == self.name);
                (is_own, Reason::ByOwner)
            }
            Revoker::Operator => (true, Reason::ByOperator),
        };
        let Some(mut account) = seen.account(&self.name).filter(|_| may).cloned() else {
            return Ok(Decision::unchanged(false));
        };
        let mut tokens = account.api_tokens.iter();
        let Some(at) = tokens.position(|open| open.id.short() == self.short) else {
            return Ok(Decision::unchanged(false));
        };
        let mut changes = Vec::new();
        let id = account.api_tokens.remove(at).id;
        revoke(&account.name, id, reason, &self.origin, &mut changes);
        changes.push(put(account));
        Ok(Decision {
            outcome: true,
            changes,
        })
    }
}

/// Revokes every token of an account, naming each in the audit.
pub(super) fn end_all(account: &mut Account, reason: Reason, origin: &Origin, changes: &mut Vec<Change>) {
    for open in core::mem::take(&mut account.api_tokens) {
        revoke(&account.name, open.id, reason, origin, changes);
    }
}

fn revoke(name: &Name, id: Digest, reason: Reason, origin: &Origin, changes: &mut Vec<Change>) {
    changes.push(Change::Delete(Key::ApiToken(id)));
    let event = Event::about(Act::ApiTokenRevoke, Ending::Success, name, origin);
    changes.push(Change::Audit(event.because(reason).on(id.short())));
}

/// Whether an account has as many tokens as it can. None gives way to another: a program would fail that still runs.
fn is_full(account: &Account, now: UnixSeconds) -> bool {
    let alive = account.api_tokens.iter().filter(|open| now < open.expires_at);
    alive.count() >= API_TOKENS_MAX
}

fn make(
    account: &mut Account,
    wish: &Wish,
    reason: Reason,
    origin: &Origin,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) -> Made {
    let over = account
        .api_tokens
        .extract_if(.., |open| open.expires_at <= world.now);
    changes.extend(over.map(|open| Change::Delete(Key::ApiToken(open.id))));
    let token = ApiTokenText::draw(world.entropy);
    let kept = ApiToken {
        account: account.name.clone(),
        label: bounded(&wish.label, LABEL_CHARS_MAX),
        created_at: world.now,
        expires_at: world.now.plus(wish.lives_s),
        last_used: None,
        hosts: wish.hosts.clone(),
        groups: account.groups.clone(),
        claims: account.claims.clone(),
    };
    let id = token.digest();
    account.api_tokens.push(Open {
        id,
        expires_at: kept.expires_at,
    });
    notify(account, NoticeKind::ApiTokenMade, world, changes);
    let event = Event::about(Act::ApiTokenMake, Ending::Success, &account.name, origin);
    changes.push(Change::Audit(event.because(reason).on(id.short())));
    let record = Record::ApiToken(kept.clone().into());
    changes.push(Change::Put(Key::ApiToken(id), record));
    Made { token, id, kept }
}
