//! Enrolment: a second factor is made, confirmed by a code, and removed.
//!
//! Knows: that a factor is pending until a code of it was seen, that the confirming code is used up, and that
//! whoever has a factor must prove one before adding or removing another. Must never know: how the secret is
//! shown.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::limit::Room;
use countersign_core::otp::{AcceptanceWindow, SharedSecret, Totp};
use zeroize::Zeroizing;

use super::{
    Proof, SignedIn, attempt_reads, bounded, browser_text, end_attempts, end_sessions, know_browser,
    note_backup_code, note_charge, notify, open_session, prove, put, settle, source,
};
use crate::credential::backup::BackupCodes;
use crate::credential::totp::{SECRET_BYTES, TotpCredential, TotpVerdict};
use crate::credential::{self, Credential, Factor, FactorState, Holder};
use crate::credential::{dummy, removed};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::name::Name;
use crate::policy::{Acceptance, FACTORS_MAX, LABEL_CHARS_MAX, SecondFactor};
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

/// A secret and what comes with it, for its owner's eyes, once.
pub struct Enrolment {
    /// The factor's short identifier.
    pub factor: String,
    /// The shared secret.
    pub secret: SharedSecret,
    /// The parameters of its codes.
    pub parameters: Totp,
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
    obstacle: impl FnOnce(&Account) -> Option<Denied>,
    change: impl FnOnce(&mut Account, &mut World<'_>, &mut Vec<Change>) -> T,
) -> Result<Decision<Result<Granted<T>, Denied>>, Fault> {
    let Some(mut account) = asker.account(seen, world) else {
        return Ok(Decision::unchanged(Err(Denied::NoSession)));
    };
    if let Some(denied) = obstacle(&account) {
        return Ok(Decision::unchanged(Err(denied)));
    }
    let shown = browser_text(&asker.origin);
    let source = source(&asker.name, &asker.origin, &shown, seen, world);
    let mut gate = Gate::new(&asker.name, true, source, seen, world.keys);
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
            let given = change(&mut account, world, &mut changes);
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

/// Makes a pending time-based factor, and backup codes when there are none.
#[derive(Clone)]
pub struct Begin {
    /// Who asks.
    pub asker: Asker,
    /// A name for the factor.
    pub label: String,
}

impl Rule for Begin {
    type Outcome = Result<Granted<Enrolment>, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        if let Some(account) = self.asker.recovering(seen) {
            return Ok(self.begin_anew(account, world));
        }
        with_proof(
            &self.asker,
            Act::FactorAdd,
            seen,
            world,
            |account| {
                let active = account.factors.iter().filter(|factor| factor.is_active());
                (active.count() + 2 > FACTORS_MAX).then_some(Denied::TooMany)
            },
            |account, world, changes| {
                account.factors.retain(Factor::is_active);
                let until = world.now.plus(u64::from(world.policy.enrolment_s));
                let enrolment = make(account, &self.label, FactorState::Pending(until), None, world);
                let event = Event::about(Act::FactorAdd, Ending::Success, &account.name, &self.asker.origin);
                changes.push(Change::Audit(event.on(enrolment.factor.clone())));
                enrolment
            },
        )
    }
}

impl Begin {
    /// In a session that a recovery opened no code is owed: what would show one is lost. The new factor and new backup
    /// codes wait beside the old ones until they are confirmed.
    fn begin_anew(
        &self,
        mut account: Account,
        world: &mut World<'_>,
    ) -> Decision<Result<Granted<Enrolment>, Denied>> {
        account.factors.retain(Factor::is_active);
        let lost = core::mem::take(&mut account.factors);
        let until = world.now.plus(u64::from(world.policy.enrolment_s));
        let given = make(
            &mut account,
            &self.label,
            FactorState::Pending(until),
            None,
            world,
        );
        account.factors.extend(lost);
        let event = Event::about(Act::FactorAdd, Ending::Success, &account.name, &self.asker.origin);
        let changes = alloc::vec![Change::Audit(event.on(given.factor.clone())), put(account)];
        let granted = Granted {
            given,
            replacement_code: None,
        };
        Decision {
            outcome: Ok(granted),
            changes,
        }
    }
}

/// Draws (or takes) a secret, adds the factor in the given state, and backup codes with it when the account
/// has none.
pub(crate) fn make(
    account: &mut Account,
    label: &str,
    state: FactorState,
    secret: Option<SharedSecret>,
    world: &mut World<'_>,
) -> Enrolment {
    let secret = secret.unwrap_or_else(|| {
        let mut bytes = Zeroizing::new([0u8; SECRET_BYTES]);
        world.entropy.fill(&mut *bytes);
        SharedSecret::from_bytes(&*bytes).expect("20 bytes are within the bounds of a secret")
    });
    let parameters = world.policy.parameters;
    let factor = credential::draw_factor_id(world.entropy);
    let holder = Holder {
        account: &account.name,
        factor: &factor,
    };
    let totp = TotpCredential::seal(&secret, parameters, holder, world);
    let label = match bounded(label, LABEL_CHARS_MAX) {
        empty if empty.is_empty() => String::from("Authenticator"),
        label => label,
    };
    let mut backup_codes = Vec::new();
    if !account.factors.iter().any(Factor::is_backup) {
        let (backup, texts) = draw_backup(&account.name, state, world);
        account.factors.push(backup);
        backup_codes = texts;
    }
    account.factors.push(Factor {
        id: factor.clone(),
        label,
        created_at: world.now,
        state,
        credential: Credential::Totp(totp),
    });
    Enrolment {
        factor,
        secret,
        parameters,
        backup_codes,
        expires_in_s: world.policy.enrolment_s,
    }
}

/// A set of backup codes as a factor, and their texts.
pub(super) fn draw_backup(
    name: &Name,
    state: FactorState,
    world: &mut World<'_>,
) -> (Factor, Vec<Zeroizing<String>>) {
    let id = credential::draw_factor_id(world.entropy);
    let (codes, texts) = BackupCodes::draw(
        Holder {
            account: name,
            factor: &id,
        },
        world,
    );
    let credential = Credential::Backup(codes);
    (
        Factor {
            id,
            label: String::from("Backup codes"),
            created_at: world.now,
            state,
            credential,
        },
        texts,
    )
}

/// Confirms a pending factor by a code of it, which is used up by that.
///
/// The code is looked for in a wide window and the drift is learned (RFC 6238 §6): the session is what makes
/// that safe. A session that had one factor is replaced by one that has two.
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
        let verdict = match confirm(&mut account, &asker.code, world)? {
            None => return Ok(Decision::unchanged(Err(Denied::NoFactor))),
            Some(TotpVerdict::Malformed) => return Ok(Decision::unchanged(Err(Denied::Malformed))),
            Some(TotpVerdict::ClockNotSet) => return Ok(Decision::unchanged(Err(Denied::ClockNotSet))),
            Some(verdict) => verdict,
        };
        let event = |ending| Event::about(Act::FactorConfirm, ending, &asker.name, &asker.origin);
        let mut changes = Vec::new();
        if !matches!(verdict, TotpVerdict::Accepted { .. }) {
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
        let methods = ["pwd", "otp", "mfa"];
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

/// Judges the code against the pending factor and activates it, and what was made with it; none when nothing
/// is pending.
fn confirm(account: &mut Account, code: &str, world: &mut World<'_>) -> Result<Option<TotpVerdict>, Fault> {
    let steps = world.policy.enrolment_drift_steps;
    let window = AcceptanceWindow {
        past: steps,
        future: steps,
    };
    let now = world.now;
    let name = account.name.clone();
    let pending = account.factors.iter_mut().filter(|factor| factor.is_pending(now));
    let found = pending
        .into_iter()
        .find_map(|factor| match &mut factor.credential {
            Credential::Totp(totp) => Some((factor.id.clone(), totp)),
            Credential::Hotp(_) | Credential::Backup(_) => None,
        });
    let Some((id, totp)) = found else { return Ok(None) };
    let holder = Holder {
        account: &name,
        factor: &id,
    };
    let verdict = if dummy::accepts(code, world.policy) {
        TotpVerdict::Accepted { drift: 0 }
    } else {
        totp.accept(code, window, holder, world)?
    };
    if let TotpVerdict::Accepted { drift } = verdict {
        // A code may come a step late however right the clock is; a drift learned of that would make two steps of one.
        let is_chance = world.policy.acceptance == Acceptance::Strict && drift.unsigned_abs() == 1;
        totp.drift = if is_chance { 0 } else { drift };
        for factor in account.factors.iter_mut().filter(|factor| factor.is_pending(now)) {
            factor.state = FactorState::Active(now);
        }
    }
    Ok(Some(verdict))
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
            |account| {
                let exists = account.factors.iter().any(|factor| factor.id == self.factor);
                (!exists).then_some(Denied::NoFactor)
            },
            |account, world, changes| {
                removed::part_with(account, |factor| factor.id == self.factor, world);
                if !account.has_second_factor() {
                    account.factors.clear();
                }
                let origin = &self.asker.origin;
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
            |account| (!account.has_second_factor()).then_some(Denied::NoFactor),
            |account, world, changes| {
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
                texts
            },
        )
    }
}
