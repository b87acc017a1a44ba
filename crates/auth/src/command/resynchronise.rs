//! Resynchronisation: a token that was pressed too often, or whose clock went astray, is found again by two
//! consecutive codes (RFC 4226 §7.4, RFC 6238 §6).
//!
//! Knows: that whoever asks is signed in, that a wrong or used pair is a guess like any other, that both codes are used
//! up, and that the owner is told. Must never know: how far the token was off; the credential keeps that.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::limit::Room;
use zeroize::Zeroizing;

use super::enrol::{Asker, Denied};
use super::{browser_text, note_charge, notify, put, source};
use crate::credential::{CodeVerdict, Holder};
use crate::event::{Act, Ending, Event, Reason};
use crate::record::{Key, NoticeKind};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;
use crate::throttle::Gate;

/// Finds one of the asker's own factors by two consecutive codes of it.
#[derive(Clone)]
pub struct Resynchronise {
    /// Who asks; the two codes are the proof, so the code of the asker is not looked at.
    pub asker: Asker,
    /// The factor's short identifier.
    pub factor: String,
    /// The code that was shown first, and the one after it.
    pub codes: (Zeroizing<String>, Zeroizing<String>),
}

impl Rule for Resynchronise {
    type Outcome = Result<(), Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let deny = |denied| Ok(Decision::unchanged(Err(denied)));
        let asker = &self.asker;
        let Some(mut account) = asker.account(seen, world) else {
            return deny(Denied::NoSession);
        };
        let (name, before) = (account.name.clone(), account.clone());
        let wanted = account
            .factors
            .iter_mut()
            .find(|factor| factor.id == self.factor && factor.is_active() && !factor.is_backup());
        let Some(factor) = wanted else {
            return deny(Denied::NoFactor);
        };
        let shown = browser_text(&asker.origin);
        let source = source(&name, &asker.origin, &shown, seen, world);
        let mut gate = Gate::new(&name, true, source, seen, world.keys);
        let provider = factor.credential.provider_mut();
        let class = provider.class();
        if let Room::Closed { retry_after_s } = gate.room(class, world) {
            return deny(Denied::Throttled { retry_after_s });
        }
        let holder = Holder {
            account: &name,
            factor: &self.factor,
        };
        let verdict = provider.resynchronise((&self.codes.0, &self.codes.1), holder, world)?;
        let event = |ending| {
            Event::about(Act::FactorResynchronise, ending, &name, &asker.origin).on(self.factor.clone())
        };
        let mut changes = Vec::new();
        let outcome = match verdict {
            CodeVerdict::Malformed => return deny(Denied::Malformed),
            CodeVerdict::ClockNotSet => return deny(Denied::ClockNotSet),
            CodeVerdict::Accepted(_) => {
                changes.push(Change::Audit(event(Ending::Success)));
                notify(
                    &mut account,
                    NoticeKind::FactorResynchronised,
                    world,
                    &mut changes,
                );
                Ok(())
            }
            // Looking for a pair costs the same whichever is found, so neither is free.
            CodeVerdict::AlreadyUsed | CodeVerdict::Wrong => {
                let reason = match verdict {
                    CodeVerdict::AlreadyUsed => Reason::CodeAlreadyUsed,
                    _ => Reason::WrongCode,
                };
                let charged = gate.charge(class, world);
                changes.push(Change::Audit(event(Ending::Refused).because(reason)));
                note_charge(charged, &mut account, &asker.origin, world, &mut changes);
                Err(Denied::Refused)
            }
        };
        if account != before {
            changes.push(put(account));
        }
        changes.extend(gate.changes());
        Ok(Decision { outcome, changes })
    }
}
