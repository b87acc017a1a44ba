//! Action-bound approval: an application asks, the person sees the very action and answers once, the application hears
//! it once.
//!
//! Knows: which code covers an action, and what is counted and bounded. Must never know: what the action does. Read
//! next: `action`, for what is shown and hashed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::limit::Room;
use countersign_core::otp::ocra::{Input, OcraVerdict, Suite};
use countersign_core::otp::{AcceptanceWindow, Code, Digits};
use countersign_core::time::UnixSeconds;

use super::enrol::{Asker, Denied};
use super::{Proof, browser_text, note_charge, notify, prove_by, put, source};
use crate::action::{Action, SUITE};
use crate::asks;
use crate::credential::{Holder, class_of};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{Digest, Token};
use crate::name::Name;
use crate::policy::{APPROVAL_S, APPROVALS_MAX, APPROVALS_OF_ONE_MAX, REDEEM_S};
use crate::record::{Account, Approval, ApprovalState, Key, NoticeKind, Open, Record};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::is_open;
use crate::snapshot::Snapshot;
use crate::throttle::{Charged, Class, Gate};

/// Asks a person to approve an action.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which application asks.
    pub application: Name,
    /// Who is asked.
    pub name: Name,
    /// What is to be approved.
    pub action: Action,
    /// Seconds in which it must be answered; brought within bounds.
    pub expires_in_s: u32,
    /// Whether a one-time code does as well.
    pub totp_fallback: bool,
    /// Where the application asks from.
    pub origin: Origin,
}

/// Why a person was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// There is no such account, it is disabled, or it has no second factor: one answer.
    Nobody,
    /// Too many approvals wait, or too many were asked for.
    TooMany {
        /// Seconds to wait.
        retry_after_s: u32,
    },
}

impl Rule for Ask {
    /// The approval and its identifier.
    type Outcome = Result<(Digest, Approval), NotAsked>;

    fn reads(&self, seen: &Snapshot, _: &World<'_>) -> Vec<Key> {
        open_reads(&self.name, seen)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let account = seen
            .account(&self.name)
            .filter(|account| !account.disabled && account.has_second_factor());
        let Some(mut account) = account.cloned() else {
            return Ok(Decision::unchanged(Err(NotAsked::Nobody)));
        };
        // The sweep deletes what is over, and says in the audit what became of it.
        account.approvals.retain(|open| world.now < open.expires_at);
        if let Room::Closed { retry_after_s } = self.room(&mut account, seen, world.now) {
            return Ok(Decision::unchanged(Err(NotAsked::TooMany { retry_after_s })));
        }
        let id = Token::draw(world.entropy).digest();
        let expires_in_s = self.expires_in_s.clamp(*APPROVAL_S.start(), *APPROVAL_S.end());
        let answer_until = world.now.plus(u64::from(expires_in_s));
        let approval = Approval {
            application: self.application.clone(),
            account: self.name.clone(),
            question: self.action.question(id),
            action: self.action.clone(),
            totp_fallback: self.totp_fallback && world.policy.totp_fallback,
            created_at: world.now,
            answer_until,
            expires_at: answer_until.plus(REDEEM_S),
            wrong_codes: 0,
            state: ApprovalState::Open,
        };
        account.approvals.push(Open {
            id,
            expires_at: approval.expires_at,
        });
        let event = Event::about(Act::ApprovalAsk, Ending::Success, &self.name, &self.origin);
        let changes = alloc::vec![
            Change::Audit(event.on(object(&approval))),
            store(id, approval.clone())
        ];
        Ok(decided(Ok((id, approval)), account, changes))
    }
}

impl Ask {
    /// Whether one more may wait, and the flood is not too great; counts it if so.
    fn room(&self, account: &mut Account, seen: &Snapshot, now: UnixSeconds) -> Room {
        let own = account
            .approvals
            .iter()
            .filter(|open| {
                let approval = seen.approval(open.id);
                approval.is_some_and(|approval| approval.application == self.application)
            })
            .count();
        if account.approvals.len() >= APPROVALS_MAX || own >= APPROVALS_OF_ONE_MAX {
            let first = account.approvals.iter().map(|open| open.expires_at).min();
            let retry_after_s = first.map_or(1, |first| first.since(now));
            return Room::Closed {
                retry_after_s: u32::try_from(retry_after_s).unwrap_or(u32::MAX).max(1),
            };
        }
        asks::take(&mut account.asks, self.application.as_str(), now)
    }
}

/// What waits for an account's owner.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The account.
    pub name: Name,
}

impl Rule for Waiting {
    type Outcome = Vec<(Digest, Approval)>;

    fn reads(&self, seen: &Snapshot, _: &World<'_>) -> Vec<Key> {
        open_reads(&self.name, seen)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let listed = seen
            .account(&self.name)
            .map_or(&[][..], |account| &account.approvals);
        let waiting = listed.iter().filter_map(|open| {
            let approval = seen.approval(open.id)?;
            waits(approval, world.now).then(|| (open.id, approval.clone()))
        });
        Ok(Decision::unchanged(waiting.collect()))
    }
}

/// Answers an approval: with a code, or no.
#[derive(Clone)]
pub struct Answer {
    /// Who answers; its code is the response.
    pub asker: Asker,
    /// Which approval.
    pub id: Digest,
    /// Whether the answer is no, for which no code is owed.
    pub deny: bool,
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The action is approved.
    Approved,
    /// It is denied.
    Denied,
    /// No such approval waits for this person.
    Gone,
}

impl Rule for Answer {
    type Outcome = Result<Answered, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = self.asker.reads(seen, world);
        keys.push(Key::Approval(self.id));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let asker = &self.asker;
        let Some(mut account) = asker.account(seen, world) else {
            return Ok(Decision::unchanged(Err(Denied::NoSession)));
        };
        let approval = seen
            .approval(self.id)
            .filter(|approval| approval.account == asker.name && waits(approval, world.now));
        let Some(mut approval) = approval.cloned() else {
            return Ok(Decision::unchanged(Ok(Answered::Gone)));
        };
        if self.deny {
            let changes = self.end(&mut account, approval, Reason::ByOwner, world);
            return Ok(decided(Ok(Answered::Denied), account, changes));
        }
        let shown = browser_text(&asker.origin);
        let source = source(&asker.name, &asker.origin, &shown, seen, world);
        let mut gate = Gate::new(&asker.name, true, source, seen, world.keys);
        let (proof, bound) = self.prove(&mut account, &approval, &mut gate, world)?;
        let (outcome, mut changes) = match proof {
            Proof::Malformed => return Ok(Decision::unchanged(Err(Denied::Malformed))),
            Proof::ClockNotSet => return Ok(Decision::unchanged(Err(Denied::ClockNotSet))),
            Proof::Throttled { retry_after_s } => {
                return Ok(Decision::unchanged(Err(Denied::Throttled { retry_after_s })));
            }
            Proof::Refused(reason, charged) => {
                let changes = self.refuse(&mut account, approval, (reason, charged), world);
                (Err(Denied::Refused), changes)
            }
            Proof::Accepted { .. } => {
                let at = world.now;
                approval.state = ApprovalState::Approved { at, bound };
                let event = self.event(Ending::Success, &approval);
                let changes = alloc::vec![Change::Audit(event), store(self.id, approval)];
                (Ok(Answered::Approved), changes)
            }
        };
        changes.extend(gate.changes());
        Ok(decided(outcome, account, changes))
    }
}

impl Answer {
    /// Judges what was typed: as a response that covers the action, then, where that does, as a one-time code. Says as
    /// well whether it covers the action.
    fn prove(
        &self,
        account: &mut Account,
        approval: &Approval,
        gate: &mut Gate<'_>,
        world: &mut World<'_>,
    ) -> Result<(Proof, bool), Fault> {
        let code = &self.asker.code;
        let response = Code::parse(code, Digits::EIGHT).ok();
        let may_fall_back = approval.totp_fallback && class_of(code) == Some(Class::Otp);
        if response.is_none() && !may_fall_back {
            return Ok((Proof::Malformed, false));
        }
        if let Room::Closed { retry_after_s } = gate.room(Class::Otp, world) {
            return Ok((Proof::Throttled { retry_after_s }, false));
        }
        if let Some(response) = response
            && answers(account, &approval.question, &response, world)? == OcraVerdict::Accepted
        {
            let accepted = Proof::Accepted {
                method: "otp",
                replacement: None,
            };
            return Ok((accepted, true));
        }
        let proof = match may_fall_back {
            // A code that was sent says nothing of what it is for, and travels where others read.
            true => prove_by(account, code, |provider| !provider.is_sent(), gate, world)?,
            false => Proof::Refused(Reason::WrongCode, gate.charge(Class::Otp, world)),
        };
        Ok((proof, false))
    }

    /// A wrong code: counted against the account's budgets, and against the approval, which bears only a few.
    fn refuse(
        &self,
        account: &mut Account,
        mut approval: Approval,
        (reason, charged): (Reason, Charged),
        world: &mut World<'_>,
    ) -> Vec<Change> {
        approval.wrong_codes += 1;
        let mut changes = match approval.wrong_codes >= world.policy.challenge_wrong_codes_max {
            true => self.end(account, approval, reason, world),
            false => {
                let event = self.event(Ending::Refused, &approval).because(reason);
                alloc::vec![Change::Audit(event), store(self.id, approval)]
            }
        };
        note_charge(charged, account, &self.asker.origin, world, &mut changes);
        changes
    }

    fn end(
        &self,
        account: &mut Account,
        mut approval: Approval,
        reason: Reason,
        world: &mut World<'_>,
    ) -> Vec<Change> {
        approval.state = ApprovalState::Denied { at: world.now };
        let event = self.event(Ending::Refused, &approval).because(reason);
        let mut changes = alloc::vec![Change::Audit(event), store(self.id, approval)];
        notify(account, NoticeKind::ApprovalDenied, world, &mut changes);
        changes
    }

    fn event(&self, ending: Ending, approval: &Approval) -> Event {
        Event::about(Act::ApprovalAnswer, ending, &self.asker.name, &self.asker.origin).on(object(approval))
    }
}

/// Tells the application what was answered, once.
#[derive(Clone, Debug)]
pub struct Redeem {
    /// Which application asks; only the one that asked first is told.
    pub application: Name,
    /// Which approval.
    pub id: Digest,
    /// Where the application asks from.
    pub origin: Origin,
}

/// What became of an approval. All but the first is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// It waits for its answer.
    Waiting(Approval),
    /// It was approved.
    Approved {
        /// The approval.
        approval: Approval,
        /// When.
        at: UnixSeconds,
        /// Whether the code covers the very action.
        bound: bool,
    },
    /// It was denied.
    Denied(Approval),
    /// Nobody answered in time.
    Expired(Approval),
}

impl Rule for Redeem {
    /// None when there is no such approval of this application, or it was told already.
    type Outcome = Option<Redeemed>;

    fn reads(&self, seen: &Snapshot, _: &World<'_>) -> Vec<Key> {
        let key = Key::Approval(self.id);
        if !seen.holds(&key) {
            return alloc::vec![key];
        }
        let approval = seen.approval(self.id);
        approval
            .map(|approval| Key::Account(approval.account.clone()))
            .into_iter()
            .collect()
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let approval = seen.approval(self.id).filter(|approval| {
            approval.application == self.application
                && is_open(approval.created_at, approval.expires_at, world.now)
        });
        let Some(approval) = approval.cloned() else {
            return Ok(Decision::unchanged(None));
        };
        if waits(&approval, world.now) {
            return Ok(Decision::unchanged(Some(Redeemed::Waiting(approval))));
        }
        let mut changes = alloc::vec![Change::Delete(Key::Approval(self.id))];
        let event = Event::about(
            Act::ApprovalRedeem,
            Ending::Success,
            &approval.account,
            &self.origin,
        );
        changes.extend(match approval.state {
            ApprovalState::Open => expired(&approval).map(Change::Audit),
            ApprovalState::Approved { .. } => Some(Change::Audit(event.on(object(&approval)))),
            // That it was denied is in the audit, and nothing follows from it.
            ApprovalState::Denied { .. } => None,
        });
        if let Some(account) = seen.account(&approval.account) {
            let mut account = account.clone();
            account.approvals.retain(|open| open.id != self.id);
            changes.push(put(account));
        }
        let redeemed = match approval.state {
            ApprovalState::Open => Redeemed::Expired(approval),
            ApprovalState::Denied { .. } => Redeemed::Denied(approval),
            ApprovalState::Approved { at, bound } => Redeemed::Approved { approval, at, bound },
        };
        Ok(Decision {
            outcome: Some(redeemed),
            changes,
        })
    }
}

/// What the audit says of an approval that ended without an answer.
pub(super) fn expired(approval: &Approval) -> Option<Event> {
    let is_open = approval.state == ApprovalState::Open;
    is_open.then(|| {
        let event = Event::about(
            Act::ApprovalAnswer,
            Ending::Refused,
            &approval.account,
            &Origin::server(),
        );
        event.because(Reason::TimedOut).on(object(approval))
    })
}

fn waits(approval: &Approval, now: UnixSeconds) -> bool {
    approval.state == ApprovalState::Open && is_open(approval.created_at, approval.answer_until, now)
}

/// An account and all that waits for it.
fn open_reads(name: &Name, seen: &Snapshot) -> Vec<Key> {
    let key = Key::Account(name.clone());
    if !seen.holds(&key) {
        return alloc::vec![key];
    }
    let listed = seen.account(name).map_or(&[][..], |account| &account.approvals);
    listed.iter().map(|open| Key::Approval(open.id)).collect()
}

/// Judges a response to a question under the secret of every active factor.
///
/// # Security
/// Every factor is asked, whichever answers. A response never collides with a factor's one-time codes: what is hashed
/// for it begins with the suite and is longer than a counter's eight bytes (RFC 6287 §5.1).
fn answers(
    account: &Account,
    question: &str,
    response: &Code,
    world: &World<'_>,
) -> Result<OcraVerdict, Fault> {
    let suite: Suite = SUITE.parse().expect("the suite is one of RFC 6287 §6");
    let input = Input {
        question,
        ..Input::default()
    };
    let response = format!("{response}");
    let window = AcceptanceWindow { past: 0, future: 0 };
    let mut answered = OcraVerdict::Wrong;
    for factor in account.factors.iter().filter(|factor| factor.is_active()) {
        let holder = Holder {
            account: &account.name,
            factor: &factor.id,
        };
        if let Some(secret) = factor.credential.provider().secret(holder, world)?
            && suite.verify(&secret, &input, window, &response) == Ok(OcraVerdict::Accepted)
        {
            answered = OcraVerdict::Accepted;
        }
    }
    Ok(answered)
}

/// What the audit says an approval is about: the application, and the digest of the action.
fn object(approval: &Approval) -> String {
    format!("{}: sha256:{}", approval.application, approval.action.digest())
}

fn store(id: Digest, approval: Approval) -> Change {
    Change::Put(Key::Approval(id), Record::Approval(approval.into()))
}

fn decided<O>(outcome: O, account: Account, mut changes: Vec<Change>) -> Decision<O> {
    changes.push(put(account));
    Decision { outcome, changes }
}
