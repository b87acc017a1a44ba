//! How a factor begins: what its provider offers, backup codes beside the first, and a state in which it proves nothing
//! until a code of it was seen.
//!
//! Knows: what stands in the way, asked before a code is used up for nothing. Must never know: of which kind a factor
//! is, beyond that one whose codes are sent is allowed and counted.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::limit::Room;
use zeroize::Zeroizing;

use super::{Asker, Denied, Enrolment, Granted, with_proof};
use crate::command::send::{self, request_room};
use crate::command::{bounded, browser_text, put, source};
use crate::credential::backup::BackupCodes;
use crate::credential::{self, Credential, Factor, FactorState, Holder, Wish};
use crate::event::{Act, Ending, Event};
use crate::name::Name;
use crate::policy::{FACTORS_MAX, LABEL_CHARS_MAX};
use crate::record::{Account, Key};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;
use crate::throttle::Gate;

/// Makes a pending factor, and backup codes when there are none.
#[derive(Clone)]
pub struct Begin {
    /// Who asks.
    pub asker: Asker,
    /// What is wished for.
    pub wish: Wish,
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
            return self.begin_anew(account, seen, world);
        }
        with_proof(
            &self.asker,
            Act::FactorAdd,
            seen,
            world,
            |account, gate, world| {
                let active = account.factors.iter().filter(|factor| factor.is_active());
                let is_full = active.count() + 2 > FACTORS_MAX;
                let denied = is_full.then_some(Denied::TooMany);
                denied.or_else(|| self.obstacle(account, gate, world))
            },
            |account, gate, world, changes| {
                account.factors.retain(Factor::is_active);
                self.make(account, gate, world, changes)
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
        seen: &Snapshot,
        world: &mut World<'_>,
    ) -> Result<Decision<Result<Granted<Enrolment>, Denied>>, Fault> {
        let asker = &self.asker;
        let shown = browser_text(&asker.origin);
        let source = source(&asker.name, &asker.origin, &shown, seen, world);
        let mut gate = Gate::new(&asker.name, true, source, seen, world.keys);
        if let Some(denied) = self.obstacle(&account, &gate, world) {
            return Ok(Decision::unchanged(Err(denied)));
        }
        account.factors.retain(Factor::is_active);
        let lost = core::mem::take(&mut account.factors);
        let mut changes = Vec::new();
        let given = self.make(&mut account, &mut gate, world, &mut changes)?;
        account.factors.extend(lost);
        changes.push(put(account));
        changes.extend(gate.changes());
        let granted = Granted {
            given,
            replacement_code: None,
        };
        Ok(Decision {
            outcome: Ok(granted),
            changes,
        })
    }

    /// Why what is wished for can't be had, asked before any code is used up for it.
    fn obstacle(&self, account: &Account, gate: &Gate<'_>, world: &World<'_>) -> Option<Denied> {
        if self.wish == Wish::Authenticator {
            return None;
        }
        if !world.policy.sms_codes {
            return Some(Denied::NotOffered);
        }
        match request_room(account, gate, world) {
            Room::Open => None,
            Room::Closed { retry_after_s } => Some(Denied::Throttled { retry_after_s }),
        }
    }

    fn make(
        &self,
        account: &mut Account,
        gate: &mut Gate<'_>,
        world: &mut World<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<Enrolment, Fault> {
        let enrolment = make(account, &self.wish, &self.label, Made::Pending, world)?;
        let event = Event::about(Act::FactorAdd, Ending::Success, &account.name, &self.asker.origin);
        changes.push(Change::Audit(event.on(enrolment.factor.clone())));
        if enrolment.offer.to_text.is_some() {
            send::count(account, gate, world);
            changes.push(send::entry(&account.name, &enrolment.factor, &self.asker.origin));
        }
        Ok(enrolment)
    }
}

/// Whether a factor that is made counts at once.
#[derive(Clone, Copy)]
pub(crate) enum Made {
    /// Once a code of it was seen.
    Pending,
    /// At once: an operator vouches for it.
    Confirmed,
}

/// Makes a factor of the kind that is wished for, and backup codes with it when the account has none.
pub(crate) fn make(
    account: &mut Account,
    wish: &Wish,
    label: &str,
    made: Made,
    world: &mut World<'_>,
) -> Result<Enrolment, Fault> {
    let factor = credential::draw_factor_id(world.entropy);
    let holder = Holder {
        account: &account.name,
        factor: &factor,
    };
    let mut credential = Credential::draw(wish, holder, world);
    let provider = credential.provider_mut();
    let (kind, offer) = (provider.kind(), provider.offer(holder, world)?);
    let enrolment_s = world.policy.enrolment_s;
    // Whoever waits for a code that was sent waits for nothing once that is over.
    let sent_s = offer.to_text.as_ref().map(|to_text| to_text.expires_in_s);
    let expires_in_s = sent_s.map_or(enrolment_s, |sent_s| enrolment_s.min(sent_s));
    let state = match made {
        Made::Pending => FactorState::Pending(world.now.plus(u64::from(expires_in_s))),
        Made::Confirmed => FactorState::Active(world.now),
    };
    let label = match bounded(label, LABEL_CHARS_MAX) {
        empty if empty.is_empty() => String::from(wish.label()),
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
        credential,
    });
    Ok(Enrolment {
        factor,
        kind,
        offer,
        backup_codes,
        expires_in_s,
    })
}

/// A set of backup codes as a factor, and their texts.
pub(in crate::command) fn draw_backup(
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
