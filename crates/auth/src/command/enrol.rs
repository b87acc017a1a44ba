//! Enrolment: a second factor is made, confirmed by a code, and removed.
//!
//! Knows: that a factor is pending until a code of it was seen, that the confirming code is used up, and that
//! whoever has a factor must prove one before adding or removing another. Must never know: of which kind a factor is,
//! which its provider knows alone, or how what it offers is shown.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::limit::Room;
use zeroize::Zeroizing;

mod begin;

pub use begin::Begin;
pub(super) use begin::draw_backup;
pub(crate) use begin::{Made, make};

use super::{
    Proof, SignedIn, api_token, attempt_reads, browser_text, end_attempts, end_sessions, know_browser,
    note_backup_code, note_charge, notify, open_session, prove, put, settle, source,
};
use crate::credential::{Accepted, CodeVerdict, FactorState, Holder, Offer, dummy, removed};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::name::Name;
use crate::policy::SecondFactor;
use crate::record::{Account, Key, NoticeKind, Session};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::Level;
use crate::snapshot::Snapshot;
use crate::throttle::{Class, Gate};

/// The session in whose name something of the account is changed, and the code that allows it.
#[derive(Clone)]
pub struct Asker {
    /// The session.
    pub session: Digest,
    /// Whose account it is.
    pub name: Name,
    /// A fresh code, owed once a second factor is active.
    pub code: Zeroizing<String>,
    /// Who asks.
    pub origin: Origin,
}

/// Why an asker got no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The session is over.
    NoSession,
    /// The code owed is missing, wrong or used.
    Refused,
    /// The code has not the shape of a code.
    Malformed,
    /// A budget has no room.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// No decision about time can be made.
    ClockNotSet,
    /// There is no such factor, or none pending.
    NoFactor,
    /// The account has as many factors as it can.
    TooMany,
    /// Such a factor is not offered here.
    NotOffered,
}

/// Why an asker got no further, and what must be committed all the same.
type Stopped = (Denied, Vec<Change>);

/// What was shown where a code was owed; nothing where none was.
#[derive(Default)]
pub(super) struct Shown {
    /// The method of the code, as RFC 8176 names it.
    pub(super) method: Option<&'static str>,
    /// A backup code issued in its place.
    pub(super) replacement: Option<Zeroizing<String>>,
}

/// What was asked for, and what the proof of it left to show.
pub struct Granted<T> {
    /// What was asked for.
    pub given: T,
    /// A backup code issued in place of the one that was the proof.
    pub replacement_code: Option<Zeroizing<String>>,
}

/// A factor that was made and what comes with it, for its owner's eyes, once.
pub struct Enrolment {
    /// The factor's short identifier.
    pub factor: String,
    /// What doors call its kind.
    pub kind: &'static str,
    /// What its provider offers.
    pub offer: Offer,
    /// Backup codes, when the account had none.
    pub backup_codes: Vec<Zeroizing<String>>,
    /// Seconds in which it must be confirmed.
    pub expires_in_s: u32,
}

impl Asker {
    pub(super) fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = attempt_reads(&self.name, &self.origin, seen, world);
        keys.push(Key::Session(self.session));
        keys
    }

    /// The asker's account, if the session is its own and alive.
    pub(super) fn account(&self, seen: &Snapshot, world: &World<'_>) -> Option<Account> {
        self.session(seen, world)?;
        seen.account(&self.name).cloned()
    }

    /// The session that asks, if it is the account's own and proves enough to ask.
    pub(super) fn session<'a>(&self, seen: &'a Snapshot, world: &World<'_>) -> Option<&'a Session> {
        let session = seen
            .session(self.session)
            .filter(|session| session.account == self.name && !session.recovers)?;
        // Opened before there was a second factor: it proves too little for an account that has one now.
        let account = seen.account(&self.name)?;
        let proves_enough = session.standing.level >= Level::Two
            || !account.has_second_factor()
            || world.policy.second_factor == SecondFactor::AtStepUp;
        proves_enough.then_some(session)
    }

    /// The entry of a factor that leaves because a recovery replaced it.
    fn removal(&self) -> Event {
        Event::about(Act::FactorRemove, Ending::Success, &self.name, &self.origin).because(Reason::ByOwner)
    }

    /// The account, if the asking session was opened by a recovery of it.
    fn recovering(&self, seen: &Snapshot) -> Option<Account> {
        let session = seen
            .session(self.session)
            .filter(|session| session.account == self.name && session.recovers)?;
        let account = seen.account(&session.account)?;
        account.has_second_factor().then(|| account.clone())
    }

    /// Asks for the code that is owed; on refusal says what must be committed and answered.
    pub(super) fn prove(
        &self,
        act: Act,
        account: &mut Account,
        gate: &mut Gate<'_>,
        world: &mut World<'_>,
    ) -> Result<Result<Shown, Stopped>, Fault> {
        if !account.has_second_factor() {
            return Ok(Ok(Shown::default()));
        }
        Ok(match prove(account, &self.code, gate, world)? {
            Proof::Accepted { method, replacement } => Ok(Shown {
                method: Some(method),
                replacement,
            }),
            Proof::Malformed => Err((Denied::Malformed, Vec::new())),
            Proof::ClockNotSet => Err((Denied::ClockNotSet, Vec::new())),
            Proof::Throttled { retry_after_s } => Err((Denied::Throttled { retry_after_s }, Vec::new())),
            Proof::Refused(reason, charged) => {
                let event = Event::about(act, Ending::Refused, &self.name, &self.origin).because(reason);
                let mut changes = alloc::vec![Change::Audit(event)];
                note_charge(charged, account, &self.origin, world, &mut changes);
                changes.push(put(account.clone()));
                Err((Denied::Refused, changes))
            }
        })
    }
}

/// Runs a change of the account that owes a code first.
///
/// Whether the change is possible at all is asked before the proof, so that no code is used up for nothing.
pub(super) fn with_proof<T>(
    asker: &Asker,
    act: Act,
    seen: &Snapshot,
    world: &mut World<'_>,
    obstacle: impl FnOnce(&Account, &Gate<'_>, &World<'_>) -> Option<Denied>,
    change: impl FnOnce(&mut Account, &mut Gate<'_>, &mut World<'_>, &mut Vec<Change>) -> Result<T, Fault>,
) -> Result<Decision<Result<Granted<T>, Denied>>, Fault> {
    let Some(mut account) = asker.account(seen, world) else {
        return Ok(Decision::unchanged(Err(Denied::NoSession)));
    };
    let shown = browser_text(&asker.origin);
    let source = source(&asker.name, &asker.origin, &shown, seen, world);
    let mut gate = Gate::new(&asker.name, true, source, seen, world.keys);
    if let Some(denied) = obstacle(&account, &gate, world) {
        return Ok(Decision::unchanged(Err(denied)));
    }
    let (outcome, mut changes) = match asker.prove(act, &mut account, &mut gate, world)? {
        Err((denied, changes)) => (Err(denied), changes),
        Ok(Shown {
            replacement: replacement_code,
            ..
        }) => {
            let mut changes = Vec::new();
            let (origin, replaced) = (&asker.origin, replacement_code.as_ref());
            note_backup_code(replaced, &mut account, origin, world, &mut changes);
            let before = backup_set(&account);
            let given = change(&mut account, &mut gate, world, &mut changes)?;
            let granted = Granted {
                given,
                // A code of a set that the change itself made void is not worth writing down.
                replacement_code: replacement_code.filter(|_| backup_set(&account) == before),
            };
            changes.push(put(account));
            (Ok(granted), changes)
        }
    };
    changes.extend(gate.changes());
    Ok(Decision { outcome, changes })
}

fn backup_set(account: &Account) -> Option<String> {
    let set = account.factors.iter().find(|factor| factor.is_backup());
    set.map(|factor| factor.id.clone())
}

/// Confirms a pending factor by a code of it, which is used up by that.
///
/// A session that had one factor is replaced by one that has two.
#[derive(Clone)]
pub struct Confirm {
    /// Who asks; its code is the confirming one.
    pub asker: Asker,
}

impl Rule for Confirm {
    type Outcome = Result<SignedIn, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let asker = &self.asker;
        let recovering = asker.recovering(seen);
        let recovers = recovering.is_some();
        let Some(mut account) = recovering.or_else(|| asker.account(seen, world)) else {
            return Ok(Decision::unchanged(Err(Denied::NoSession)));
        };
        let lost: Vec<String> = account
            .factors
            .iter()
            .filter(|factor| recovers && factor.is_active())
            .map(|factor| factor.id.clone())
            .collect();
        let shown = browser_text(&asker.origin);
        let source = source(&asker.name, &asker.origin, &shown, seen, world);
        let mut gate = Gate::new(&asker.name, true, source, seen, world.keys);
        if let Room::Closed { retry_after_s } = gate.room(Class::Otp, world) {
            return Ok(Decision::unchanged(Err(Denied::Throttled { retry_after_s })));
        }
        let is_first = !account.has_second_factor();
        let Some((verdict, method)) = confirm(&mut account, &asker.code, world)? else {
            return Ok(Decision::unchanged(Err(Denied::NoFactor)));
        };
        match verdict {
            CodeVerdict::Malformed => return Ok(Decision::unchanged(Err(Denied::Malformed))),
            CodeVerdict::ClockNotSet => return Ok(Decision::unchanged(Err(Denied::ClockNotSet))),
            CodeVerdict::Accepted(_) | CodeVerdict::AlreadyUsed | CodeVerdict::Wrong => {}
        }
        let event = |ending| Event::about(Act::FactorConfirm, ending, &asker.name, &asker.origin);
        let mut changes = Vec::new();
        if !matches!(verdict, CodeVerdict::Accepted(_)) {
            let charged = gate.charge(Class::Otp, world);
            changes.push(Change::Audit(event(Ending::Refused).because(Reason::WrongCode)));
            note_charge(charged, &mut account, &asker.origin, world, &mut changes);
            changes.push(put(account));
            changes.extend(gate.changes());
            return Ok(Decision {
                outcome: Err(Denied::Refused),
                changes,
            });
        }
        changes.push(Change::Audit(event(Ending::Success)));
        notify(&mut account, NoticeKind::FactorAdded, world, &mut changes);
        if recovers {
            removed::part_with(&mut account, |factor| lost.contains(&factor.id), world);
            api_token::end_all(&mut account, Reason::ByOwner, &asker.origin, &mut changes);
            end_attempts(&mut account, &mut changes);
            notify(&mut account, NoticeKind::FactorsRecovered, world, &mut changes);
            let removed = |id: &String| Change::Audit(asker.removal().on(id.clone()));
            changes.extend(lost.iter().map(removed));
        }
        if is_first || recovers {
            // Whoever else is in knew the password alone, or holds what was lost.
            let origin = &asker.origin;
            end_sessions(
                &mut account,
                Some(asker.session),
                Reason::ByOwner,
                origin,
                &mut changes,
            );
        }
        account.sessions.retain(|open| open.id != asker.session);
        changes.push(Change::Delete(Key::Session(asker.session)));
        let methods = ["pwd", method, "mfa"];
        let mut signed_in = open_session(
            &mut account,
            Level::Two,
            &methods,
            &asker.origin,
            world,
            &mut changes,
        );
        signed_in.browser = know_browser(&mut account, &asker.origin, seen, world, &mut changes);
        settle(&mut account, &mut gate);
        changes.push(put(account));
        changes.extend(gate.changes());
        Ok(Decision {
            outcome: Ok(signed_in),
            changes,
        })
    }
}

/// Judges the code against the pending factor and activates it, and what was made with it; says by which method. None
/// when nothing is pending.
fn confirm(
    account: &mut Account,
    code: &str,
    world: &mut World<'_>,
) -> Result<Option<(CodeVerdict, &'static str)>, Fault> {
    let (now, name) = (world.now, account.name.clone());
    let mut pending = account.factors.iter_mut();
    let Some(factor) = pending.find(|factor| factor.is_pending(now) && !factor.is_backup()) else {
        return Ok(None);
    };
    let holder = Holder {
        account: &name,
        factor: &factor.id,
    };
    let provider = factor.credential.provider_mut();
    let verdict = match dummy::accepts(code, world.policy) {
        true => CodeVerdict::Accepted(Accepted::default()),
        false => provider.confirm(code, holder, world)?,
    };
    let method = provider.method();
    if matches!(verdict, CodeVerdict::Accepted(_)) {
        for factor in account.factors.iter_mut().filter(|factor| factor.is_pending(now)) {
            factor.state = FactorState::Active(now);
        }
    }
    Ok(Some((verdict, method)))
}

/// Removes a factor; the others stay.
#[derive(Clone)]
pub struct Remove {
    /// Who asks.
    pub asker: Asker,
    /// The factor's short identifier.
    pub factor: String,
}

impl Rule for Remove {
    type Outcome = Result<Granted<()>, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        with_proof(
            &self.asker,
            Act::FactorRemove,
            seen,
            world,
            |account, _, _| {
                let exists = account.factors.iter().any(|factor| factor.id == self.factor);
                (!exists).then_some(Denied::NoFactor)
            },
            |account, _, world, changes| {
                removed::part_with(account, |factor| factor.id == self.factor, world);
                if !account.has_second_factor() {
                    account.factors.clear();
                }
                let origin = &self.asker.origin;
                // Whoever took the factor may have made tokens with it.
                api_token::end_all(account, Reason::ByOwner, origin, changes);
                end_sessions(
                    account,
                    Some(self.asker.session),
                    Reason::ByOwner,
                    origin,
                    changes,
                );
                notify(account, NoticeKind::FactorRemoved, world, changes);
                let event = Event::about(Act::FactorRemove, Ending::Success, &account.name, origin);
                changes.push(Change::Audit(event.on(self.factor.clone())));
                Ok(())
            },
        )
    }
}

/// Replaces all backup codes; the old ones are void.
#[derive(Clone)]
pub struct ReplaceBackupCodes {
    /// Who asks.
    pub asker: Asker,
}

impl Rule for ReplaceBackupCodes {
    type Outcome = Result<Granted<Vec<Zeroizing<String>>>, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        with_proof(
            &self.asker,
            Act::BackupCodesReplace,
            seen,
            world,
            |account, _, _| (!account.has_second_factor()).then_some(Denied::NoFactor),
            |account, _, world, changes| {
                account.factors.retain(|factor| !factor.is_backup());
                let (backup, texts) = draw_backup(&account.name, FactorState::Active(world.now), world);
                account.factors.push(backup);
                notify(account, NoticeKind::BackupCodesReplaced, world, changes);
                let event = Event::about(
                    Act::BackupCodesReplace,
                    Ending::Success,
                    &account.name,
                    &self.asker.origin,
                );
                changes.push(Change::Audit(event));
                Ok(texts)
            },
        )
    }
}
