//! The two proofs of a recovery: the mailed code or an operator's word first, then the factor that is left; or the code
//! first, then the word.
//!
//! Knows: that the second is looked at only once the first was right, so that whoever does not read the owner's mail
//! learns nothing of either. Must never know: the password itself.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use countersign_core::limit::Room;
use zeroize::Zeroizing;

use super::{obstacle, standing, tag, vouch};
use crate::command::password::Checked;
use crate::command::{
    self, Proof, attempt_reads, browser_text, note_backup_code, note_charge, post, put, settle, source,
};
use crate::credential::mailed::{self, Typed};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::name::Name;
use crate::policy::{RECOVERIES_MAX, RECOVERY_READY_S, RECOVERY_REFUSED_MAX};
use crate::record::{Account, Key, Lost, Notice, NoticeKind, Open, Proven, Record, Recovery};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::is_open;
use crate::snapshot::Snapshot;
use crate::throttle::{Charged, Class, Gate};

/// A recovery as its asker shows it: token, name and the code that was mailed.
#[derive(Clone)]
pub struct Shown {
    /// Digest of the recovery's token.
    pub recovery: Digest,
    /// The name it was asked for.
    pub name: Name,
    /// What was typed as the mailed code; of no meaning where an operator vouched, which is the first proof then.
    pub code: Zeroizing<String>,
}

impl Shown {
    fn reads(&self, seen: &Snapshot, origin: &Origin, world: &World<'_>) -> Vec<Key> {
        let mut keys = attempt_reads(&self.name, origin, seen, world);
        keys.push(Key::Recovery(self.recovery));
        keys
    }

    /// The recovery, when it still waits for its proofs.
    fn open<'a>(&self, seen: &'a Snapshot, world: &World<'_>) -> Option<&'a Recovery> {
        seen.recovery(self.recovery).filter(|recovery| {
            recovery.proven.is_none()
                && is_open(recovery.created_at, recovery.expires_at, world.now)
                && recovery.name == tag(&self.name, world.keys)
        })
    }

    /// The first proof: the mailed code, or the token itself that an operator gave away.
    fn compare(&self, recovery: &Recovery, world: &World<'_>) -> Typed {
        if recovery.vouched {
            return Typed::Right;
        }
        let id = self.recovery.to_string();
        mailed::compare(&self.code, &recovery.code, mailed::Use::Recovery(&id), world.keys)
    }
}

/// Says whether the mailed code is right, so that no password is hashed for one that is not.
#[derive(Clone)]
pub struct Look {
    /// What is shown.
    pub shown: Shown,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Look {
    type Outcome = bool;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.shown.reads(seen, &self.origin, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<bool>, Fault> {
        let recovery = self.shown.open(seen, world);
        let is_right = recovery
            .filter(|found| !found.vouched)
            .is_some_and(|found| self.shown.compare(found, world) == Typed::Right);
        Ok(Decision::unchanged(is_right))
    }
}

/// The factor that is left.
#[derive(Clone)]
pub enum Left {
    /// A code of a second factor, or a backup code: the password was lost.
    Code(Zeroizing<String>),
    /// The password: the second factors were lost. None when it was not checked because the mailed code is wrong.
    Password(Option<Checked>),
    /// An operator's word, by the digest of the token they gave away: the password was lost, and the second factor is
    /// owed as ever.
    Vouched(Digest),
}

/// Shows both proofs.
#[derive(Clone)]
pub struct Prove {
    /// The first.
    pub shown: Shown,
    /// The second.
    pub left: Left,
    /// Who asks.
    pub origin: Origin,
}

/// The answer to [`Prove`].
#[derive(Clone, Debug, PartialEq)]
pub enum Proved {
    /// The recovery is unknown, over, or dead.
    NoRecovery,
    /// The mailed code, or what was shown beside it, is wrong: one answer.
    Refused,
    /// What was typed has not the shape of a code; it was not counted.
    Malformed,
    /// An operator's word is no proof beside itself, nor beside the password.
    NotTogether,
    /// A budget has no room; what is left was not evaluated.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// No decision about time can be made.
    ClockNotSet,
    /// The password was changed meanwhile; begin again.
    Stale,
    /// Both were right.
    Proven(Allowed),
}

/// What two proofs allow.
#[derive(Clone, PartialEq)]
pub struct Allowed {
    /// What is to be set anew.
    pub lost: Lost,
    /// Seconds until it may be.
    pub ready_in_s: u32,
    /// Seconds until it may no longer be.
    pub expires_in_s: u32,
    /// A backup code in place of the one that was the proof.
    pub replacement_code: Option<Zeroizing<String>>,
}

impl core::fmt::Debug for Allowed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Allowed")
            .field("lost", &self.lost)
            .field("ready_in_s", &self.ready_in_s)
            .finish_non_exhaustive()
    }
}

/// What came of the second proof.
enum Second {
    Right(Option<Zeroizing<String>>),
    Wrong(Reason, Charged),
    Undecided(Proved),
}

impl Rule for Prove {
    type Outcome = Proved;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = self.shown.reads(seen, &self.origin, world);
        if let Left::Vouched(ticket) = self.left {
            keys.push(Key::Recovery(ticket));
        }
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Proved>, Fault> {
        let Some(recovery) = self.shown.open(seen, world) else {
            return Ok(Decision::unchanged(Proved::NoRecovery));
        };
        if recovery.vouched && !matches!(self.left, Left::Code(_)) {
            return Ok(Decision::unchanged(Proved::NotTogether));
        }
        let account = seen.account(&self.shown.name);
        match self.shown.compare(recovery, world) {
            Typed::Malformed => return Ok(Decision::unchanged(Proved::Malformed)),
            Typed::Wrong => {
                let changes = self.refuse(recovery, account.is_some(), Reason::WrongCode, world);
                return Ok(Decision {
                    outcome: Proved::Refused,
                    changes,
                });
            }
            Typed::Right => {}
        }
        let still = |account: &&Account| {
            obstacle(account).is_none() && standing(Some(account), world.keys) == recovery.standing
        };
        let Some(mut account) = account.filter(still).cloned() else {
            return Ok(Decision::unchanged(Proved::NoRecovery));
        };
        let name = account.name.clone();
        let shown = browser_text(&self.origin);
        let source = source(&name, &self.origin, &shown, seen, world);
        let mut gate = Gate::new(&name, true, source, seen, world.keys);
        let (outcome, mut changes) = match self.second(&mut account, &mut gate, seen, world)? {
            Second::Undecided(outcome) => return Ok(Decision::unchanged(outcome)),
            Second::Wrong(reason, charged) => {
                let mut changes = self.refuse(recovery, true, reason, world);
                note_charge(charged, &mut account, &self.origin, world, &mut changes);
                (Proved::Refused, changes)
            }
            Second::Right(replacement) => {
                settle(&mut account, &mut gate);
                self.accept(recovery, &mut account, replacement, world)
            }
        };
        changes.push(put(account));
        changes.extend(gate.changes());
        Ok(Decision { outcome, changes })
    }
}

impl Prove {
    fn second(
        &self,
        account: &mut Account,
        gate: &mut Gate<'_>,
        seen: &Snapshot,
        world: &mut World<'_>,
    ) -> Result<Second, Fault> {
        let checked = match &self.left {
            Left::Code(code) => {
                return Ok(match command::prove(account, code, gate, world)? {
                    Proof::Accepted { replacement, .. } => Second::Right(replacement),
                    Proof::Refused(reason, charged) => Second::Wrong(reason, charged),
                    Proof::Throttled { retry_after_s } => {
                        Second::Undecided(Proved::Throttled { retry_after_s })
                    }
                    Proof::Malformed => Second::Undecided(Proved::Malformed),
                    Proof::ClockNotSet => Second::Undecided(Proved::ClockNotSet),
                });
            }
            Left::Vouched(ticket) => {
                let is_genuine = vouch::is_open(*ticket, &self.shown.name, seen, world);
                return Ok(match is_genuine {
                    true => Second::Right(None),
                    false => Second::Wrong(Reason::NoTicket, Charged::Counted),
                });
            }
            Left::Password(checked) => checked,
        };
        if let Room::Closed { retry_after_s } = gate.room(Class::Password, world) {
            return Ok(Second::Undecided(Proved::Throttled { retry_after_s }));
        }
        let stored = account.password.as_ref().map(|password| &password.hash);
        Ok(match checked {
            Some(checked) if checked.hash.as_ref() != stored => Second::Undecided(Proved::Stale),
            None => Second::Undecided(Proved::Stale),
            Some(checked) if !checked.matched => {
                Second::Wrong(Reason::WrongPassword, gate.charge(Class::Password, world))
            }
            Some(_) => Second::Right(None),
        })
    }

    fn lost(&self) -> Lost {
        match self.left {
            Left::Code(_) | Left::Vouched(_) => Lost::Password,
            Left::Password(_) => Lost::SecondFactor,
        }
    }

    fn refuse(&self, recovery: &Recovery, known: bool, reason: Reason, world: &World<'_>) -> Vec<Change> {
        let (name, origin) = (&self.shown.name, &self.origin);
        let event = if known {
            Event::about(Act::RecoveryProve, Ending::Refused, name, origin)
        } else {
            Event::about_unknown(Act::RecoveryProve, Ending::Refused, name, origin, world.keys)
        };
        let key = Key::Recovery(self.shown.recovery);
        let mut recovery = recovery.clone();
        recovery.refused += 1;
        let counted = if recovery.refused >= RECOVERY_REFUSED_MAX {
            Change::Delete(key)
        } else {
            Change::Put(key, Record::Recovery(recovery))
        };
        alloc::vec![Change::Audit(event.because(reason)), counted]
    }

    /// Notes what is allowed from when on, and tells the owner before it can be carried out.
    fn accept(
        &self,
        recovery: &Recovery,
        account: &mut Account,
        replacement: Option<Zeroizing<String>>,
        world: &mut World<'_>,
    ) -> (Proved, Vec<Change>) {
        let mut changes = Vec::new();
        note_backup_code(replacement.as_ref(), account, &self.origin, world, &mut changes);
        let numbers = &world.policy.recovery;
        let ready_at = world.now.plus(u64::from(numbers.delay_s));
        let lives_s = match numbers.delay_s {
            0 => u64::from(numbers.code_s),
            _ => RECOVERY_READY_S,
        };
        if let Left::Vouched(ticket) = self.left {
            // It works once.
            account.recoveries.retain(|open| open.id != ticket);
            changes.push(Change::Delete(Key::Recovery(ticket)));
        }
        let recovery = Recovery {
            expires_at: ready_at.plus(lives_s),
            code: String::new(),
            proven: Some(Proven {
                account: account.name.clone(),
                lost: self.lost(),
                ready_at,
            }),
            ..recovery.clone()
        };
        let allowed = Allowed {
            lost: self.lost(),
            ready_in_s: numbers.delay_s,
            expires_in_s: u32::try_from(recovery.expires_at.since(world.now)).unwrap_or(u32::MAX),
            replacement_code: replacement,
        };
        account.recoveries.retain(|open| open.id != self.shown.recovery);
        command::make_room(
            &mut account.recoveries,
            RECOVERIES_MAX,
            Key::Recovery,
            world,
            &mut changes,
        );
        account.recoveries.push(Open {
            id: self.shown.recovery,
            expires_at: recovery.expires_at,
        });
        changes.push(Change::Put(
            Key::Recovery(self.shown.recovery),
            Record::Recovery(recovery),
        ));
        let notice = Notice {
            account: account.name.clone(),
            at: world.now,
            kind: NoticeKind::RecoveryProven,
            delivered: false,
            former: None,
            recovery: Some(self.shown.recovery),
        };
        post(account, notice, world, &mut changes);
        let event = Event::about(Act::RecoveryProve, Ending::Success, &account.name, &self.origin);
        changes.push(Change::Audit(event.on(self.shown.recovery.short())));
        (Proved::Proven(allowed), changes)
    }
}
