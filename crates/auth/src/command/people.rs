//! What people are to applications and to this installation: roles, groups and claims; and accounts taken over whole.
//!
//! Knows: what may be amended and within which bounds, and that an account of a list is taken over whole or not at all.
//! Must never know: who may ask, which is [`Role::may`]'s to say, or in which file a list came.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::import::{Import, Imported, NotImported, Taken as SeedTaken};
use super::operator::disable;
use super::{found, notify, put};
use crate::claim::{self, CLAIMS_MAX, ClaimError, ClaimValue, Claims};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::name::Name;
use crate::policy::GROUPS_MAX;
use crate::record::{Account, Key, NoticeKind, Password, PasswordHash, Record};
use crate::role::Role;
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;

/// One thing that is to be so from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amendment {
    /// The account has this role, and no other.
    Role(Role),
    /// It is in this group.
    Join(String),
    /// It is not.
    Leave(String),
    /// It has this claim.
    Claim(String, ClaimValue),
    /// It has no claim of this name.
    Unclaim(String),
}

/// Why an amendment can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAmended {
    /// There is no such account.
    NoAccount,
    /// No group can have this name.
    Group(String),
    /// The group stands for a role, which is given as one.
    RoleGroup(String),
    /// The account would be in more groups than it can.
    TooManyGroups,
    /// No claim can be like this one.
    Claim(String, ClaimError),
    /// The account would have more claims than it can.
    TooManyClaims,
}

/// Amends an account: all that is asked for, or nothing.
#[derive(Clone, Debug)]
pub struct Amend {
    /// The account.
    pub name: Name,
    /// What is to be so, in this order.
    pub amendments: Vec<Amendment>,
    /// Who asks.
    pub origin: Origin,
}

/// Whether anything was different before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amended {
    /// Something was.
    Changed,
    /// Everything was so already.
    Same,
}

impl Rule for Amend {
    type Outcome = Result<Amended, NotAmended>;

    fn reads(&self, seen: &Snapshot, _: &World<'_>) -> Vec<Key> {
        let mut keys = alloc::vec![Key::Account(self.name.clone()), Key::Founder];
        keys.extend(copies_of(&self.name, seen));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let Some(known) = seen.account(&self.name) else {
            return Ok(Decision::unchanged(Err(NotAmended::NoAccount)));
        };
        let (mut account, mut changes) = (known.clone(), Vec::new());
        for amendment in &self.amendments {
            if let Err(why) = amend(&mut account, amendment, &self.origin, &mut changes) {
                return Ok(Decision::unchanged(Err(why)));
            }
        }
        if account == *known {
            return Ok(Decision::unchanged(Ok(Amended::Same)));
        }
        after_amendments(&mut account, known, seen, world, &mut changes);
        changes.push(put(account));
        Ok(Decision {
            outcome: Ok(Amended::Changed),
            changes,
        })
    }
}

/// Makes one thing so, with an audit entry if it was not.
fn amend(
    account: &mut Account,
    amendment: &Amendment,
    origin: &Origin,
    changes: &mut Vec<Change>,
) -> Result<(), NotAmended> {
    let done = match amendment {
        Amendment::Role(role) => {
            let before = account.groups.clone();
            role.take_hold(&mut account.groups);
            (account.groups != before).then(|| (Act::RoleSet, String::from(role.name())))
        }
        Amendment::Join(group) => {
            check_group(group)?;
            let is_new = !account.groups.contains(group);
            is_new.then(|| {
                account.groups.push(group.clone());
                (Act::GroupJoin, group.clone())
            })
        }
        Amendment::Leave(group) => {
            check_group(group)?;
            let left = account.groups.extract_if(.., |held| held == group).count();
            (left > 0).then(|| (Act::GroupLeave, group.clone()))
        }
        Amendment::Claim(name, value) => {
            claim::check(name, value).map_err(|why| NotAmended::Claim(name.clone(), why))?;
            let before = account.claims.insert(name.clone(), value.clone());
            (before.as_ref() != Some(value)).then(|| (Act::ClaimSet, told(name, value)))
        }
        Amendment::Unclaim(name) => account
            .claims
            .remove(name)
            .map(|_| (Act::ClaimRemove, name.clone())),
    };
    if account.groups.len() > GROUPS_MAX {
        return Err(NotAmended::TooManyGroups);
    }
    if account.claims.len() > CLAIMS_MAX {
        return Err(NotAmended::TooManyClaims);
    }
    if let Some((act, object)) = done {
        let event = Event::about(act, Ending::Success, &account.name, origin);
        changes.push(Change::Audit(event.on(object)));
    }
    Ok(())
}

/// A role is given as one, so that nobody comes by rights by the name of a group.
fn check_group(group: &str) -> Result<(), NotAmended> {
    if Role::of_group(group).is_some() {
        return Err(NotAmended::RoleGroup(group.into()));
    }
    match claim::is_word(group) {
        true => Ok(()),
        false => Err(NotAmended::Group(group.into())),
    }
}

/// A claim as the audit tells it: a text may be anything about a person, so its name alone.
fn told(name: &str, value: &ClaimValue) -> String {
    match value {
        ClaimValue::Bool(value) => format!("{name}={value}"),
        ClaimValue::Integer(value) => format!("{name}={value}"),
        ClaimValue::Text(_) => String::from(name),
    }
}

/// What follows from amendments, once for all of them: somebody administers, the owner learns of a role, and sessions
/// are brought up to it.
fn after_amendments(
    account: &mut Account,
    before: &Account,
    seen: &Snapshot,
    world: &mut World<'_>,
    changes: &mut Vec<Change>,
) {
    if account.is_admin() && seen.record(&Key::Founder).is_none() {
        changes.push(found(&account.name));
    }
    if account.role() != before.role() {
        notify(account, NoticeKind::RoleChanged, world, changes);
    }
    if (&account.groups, &account.claims) != (&before.groups, &before.claims) {
        refresh_copies(account, seen, changes);
    }
}

/// The keys of whatever has a copy of an account's groups and claims, once the account was read.
fn copies_of(name: &Name, seen: &Snapshot) -> Vec<Key> {
    let key = Key::Account(name.clone());
    let account = seen.holds(&key).then(|| seen.account(name)).flatten();
    let sessions = account.iter().flat_map(|account| account.sessions.iter());
    let tokens = account.iter().flat_map(|account| account.api_tokens.iter());
    sessions
        .map(|open| Key::Session(open.id))
        .chain(tokens.map(|open| Key::ApiToken(open.id)))
        .collect()
}

/// Brings the copies that sessions and tokens have of an account up to it, so that who lost a right has lost it
/// everywhere.
fn refresh_copies(account: &Account, seen: &Snapshot, changes: &mut Vec<Change>) {
    for open in &account.sessions {
        let Some(mut session) = seen.session(open.id).cloned() else {
            continue;
        };
        session.groups.clone_from(&account.groups);
        session.claims.clone_from(&account.claims);
        changes.push(Change::Put(
            Key::Session(open.id),
            Record::Session(session.into()),
        ));
    }
    for open in &account.api_tokens {
        let Some(mut token) = seen.api_token(open.id).cloned() else {
            continue;
        };
        token.groups.clone_from(&account.groups);
        token.claims.clone_from(&account.claims);
        changes.push(Change::Put(
            Key::ApiToken(open.id),
            Record::ApiToken(token.into()),
        ));
    }
}

/// What an account of a list is to be. What the list does not say stays as it is, or as a new account has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its role.
    pub role: Option<Role>,
    /// All its groups but the one of its role.
    pub groups: Option<Vec<String>>,
    /// All its claims.
    pub claims: Option<Claims>,
    /// Whether it is disabled.
    pub disabled: Option<bool>,
    /// The hash of its password, if it has none yet: whoever has a password keeps it.
    pub hash: Option<PasswordHash>,
}

/// Takes over an account of a list: all that the list says of it, or nothing.
#[derive(Debug)]
pub struct Take {
    /// Whose account it is, and its authenticators.
    pub import: Import,
    /// What it is to be.
    pub listed: Listed,
    /// Whether an account that exists is made like the list says; otherwise it is left alone.
    pub update: bool,
}

/// What came of an account of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// It was added.
    Added,
    /// It existed, and something was different.
    Updated,
    /// It existed, and was like that already.
    Same,
    /// It existed, and is left alone.
    LeftAlone,
}

/// An account as it was taken over.
#[derive(Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// What came of it.
    pub took: Took,
    /// What came of its authenticators, if the list had any and they were looked at.
    pub imported: Option<Imported>,
}

/// Why an account of a list was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTakenOver {
    /// There is no such account, and none is to be added.
    NoAccount,
    /// What it is to be can't be.
    Listed(NotAmended),
    /// An authenticator stands in the way.
    Import(NotImported),
    /// An authenticator was removed from the account; it stays so, unless it is asked for again.
    Removed,
}

impl Rule for Take {
    type Outcome = Result<TakenOver, NotTakenOver>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = self.import.reads(seen, world);
        keys.push(Key::Founder);
        keys.extend(copies_of(&self.import.name, seen));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let refuse = |why| Ok(Decision::unchanged(Err(why)));
        let known = seen.account(&self.import.name);
        if known.is_none() && !self.import.add {
            return refuse(NotTakenOver::NoAccount);
        }
        if known.is_some() && !self.update {
            let left_alone = TakenOver {
                took: Took::LeftAlone,
                imported: None,
            };
            return Ok(Decision::unchanged(Ok(left_alone)));
        }
        let mut changes = match self.stand(known, seen, world) {
            Ok(changes) => changes,
            Err(why) => return refuse(NotTakenOver::Listed(why)),
        };
        let mut imported = None;
        if !self.import.seeds.is_empty() {
            let mut stood = seen.clone();
            stood.apply(&changes);
            let decided = self.import.decide(&stood, world)?;
            match decided.outcome {
                Err(why) => return refuse(NotTakenOver::Import(why)),
                Ok(outcome) if outcome.taken.contains(&SeedTaken::Removed) => {
                    return refuse(NotTakenOver::Removed);
                }
                Ok(outcome) => imported = Some(outcome),
            }
            if !decided.changes.is_empty() {
                // The account with its authenticators takes the place of the one without.
                changes.retain(|change| !matches!(change, Change::Put(Key::Account(_), _)));
                changes.extend(decided.changes);
            }
        }
        let took = match (known, changes.is_empty()) {
            (None, _) => Took::Added,
            (Some(_), true) => Took::Same,
            (Some(_), false) => Took::Updated,
        };
        if self.import.dry_run {
            changes.clear();
        }
        Ok(Decision {
            outcome: Ok(TakenOver { took, imported }),
            changes,
        })
    }
}

impl Take {
    /// Makes the account what it is to be, its authenticators aside; no changes when it is that already.
    fn stand(
        &self,
        known: Option<&Account>,
        seen: &Snapshot,
        world: &mut World<'_>,
    ) -> Result<Vec<Change>, NotAmended> {
        let Import { name, origin, .. } = &self.import;
        let event = |act| Event::about(act, Ending::Success, name, origin).because(Reason::ByOperator);
        let mut changes = Vec::new();
        let mut account = known.cloned().unwrap_or_else(|| {
            changes.push(Change::Audit(event(Act::AccountAdd)));
            Account::new(name.clone(), world.now)
        });
        for amendment in self.listed.amendments(&account) {
            amend(&mut account, &amendment, origin, &mut changes)?;
        }
        if let (None, Some(hash)) = (&account.password, &self.listed.hash) {
            account.password = Some(Password {
                hash: hash.clone(),
                changed_at: world.now,
            });
            if known.is_some() {
                changes.push(Change::Audit(event(Act::PasswordChange)));
            }
        }
        match self.listed.disabled {
            Some(true) if !account.disabled => {
                disable(&mut account, origin, &mut changes);
                changes.push(Change::Audit(event(Act::AccountDisable)));
            }
            Some(false) if account.disabled => {
                account.disabled = false;
                changes.push(Change::Audit(event(Act::AccountEnable)));
            }
            _ => {}
        }
        if known == Some(&account) {
            return Ok(Vec::new());
        }
        // Of an account that is added nobody has to be told what it was.
        let before = known.cloned().unwrap_or_else(|| account.clone());
        after_amendments(&mut account, &before, seen, world, &mut changes);
        changes.push(put(account));
        Ok(changes)
    }
}

impl Listed {
    /// What makes an account like this.
    fn amendments(&self, account: &Account) -> Vec<Amendment> {
        let mut amendments = Vec::new();
        if let Some(groups) = &self.groups {
            let held = account
                .groups
                .iter()
                .filter(|held| Role::of_group(held).is_none());
            let left = held.filter(|held| !groups.contains(held)).cloned();
            amendments.extend(left.map(Amendment::Leave));
            amendments.extend(groups.iter().cloned().map(Amendment::Join));
        }
        if let Some(claims) = &self.claims {
            let gone = account.claims.keys().filter(|name| !claims.contains_key(*name));
            amendments.extend(gone.cloned().map(Amendment::Unclaim));
            let set = claims.iter().map(|(name, value)| (name.clone(), value.clone()));
            amendments.extend(set.map(|(name, value)| Amendment::Claim(name, value)));
        }
        amendments.extend(self.role.map(Amendment::Role));
        amendments
    }
}
