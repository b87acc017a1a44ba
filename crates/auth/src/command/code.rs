//! The second factor: is the code right, fresh, and whose sign-in does it complete.
//!
//! Knows: challenges and what an accepted code opens. Must never know: which digits were right.

use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{
    Proof, SignedIn, attempt_reads, browser_text, know_browser, note_backup_code, note_charge, notify,
    open_session, prove, put, settle, source,
};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::record::{Account, Challenge, Key, NoticeKind, Record};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::{Level, is_open};
use crate::snapshot::Snapshot;
use crate::throttle::{Charged, Gate};

/// Answers a challenge with a code.
#[derive(Clone)]
pub struct Verify {
    /// Digest of the challenge's token.
    pub challenge: Digest,
    /// What was typed.
    pub code: Zeroizing<String>,
    /// Who asks.
    pub origin: Origin,
}

/// The answer to [`Verify`].
#[derive(Clone, Debug, PartialEq)]
pub enum Verified {
    /// Signed in.
    SignedIn(SignedIn),
    /// The challenge is unknown, over, dead, or its account may not sign in.
    NoChallenge,
    /// The code is wrong, or was used before: one answer.
    Refused,
    /// What was typed has not the shape of a code; it was not counted.
    Malformed,
    /// A budget has no room; the code was not evaluated.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// No decision about time can be made.
    ClockNotSet,
}

/// A challenge, when it may still be answered.
pub(super) fn open_challenge<'a>(
    challenge: Digest,
    seen: &'a Snapshot,
    world: &World<'_>,
) -> Option<&'a Challenge> {
    seen.challenge(challenge).filter(|challenge| {
        is_open(challenge.created_at, challenge.expires_at, world.now)
            && challenge.wrong_codes < world.policy.challenge_wrong_codes_max
    })
}

impl Rule for Verify {
    type Outcome = Verified;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let key = Key::Challenge(self.challenge);
        if !seen.holds(&key) {
            return alloc::vec![key];
        }
        match open_challenge(self.challenge, seen, world) {
            Some(challenge) => attempt_reads(&challenge.account, &self.origin, seen, world),
            None => Vec::new(),
        }
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Verified>, Fault> {
        let Some(challenge) = open_challenge(self.challenge, seen, world) else {
            return Ok(Decision::unchanged(Verified::NoChallenge));
        };
        let account = seen
            .account(&challenge.account)
            .filter(|account| !account.disabled);
        let Some(mut account) = account.cloned() else {
            return Ok(Decision::unchanged(Verified::NoChallenge));
        };
        let name = account.name.clone();
        let shown = browser_text(&self.origin);
        let source = source(&name, &self.origin, &shown, seen, world);
        let mut gate = Gate::new(&name, true, source, seen, world.keys);
        Ok(match prove(&mut account, &self.code, &mut gate, world)? {
            Proof::Malformed => Decision::unchanged(Verified::Malformed),
            Proof::Throttled { retry_after_s } => Decision::unchanged(Verified::Throttled { retry_after_s }),
            Proof::ClockNotSet => Decision::unchanged(Verified::ClockNotSet),
            Proof::Refused(reason, charged) => {
                let mut changes = self.refuse(challenge, account, reason, charged, world);
                changes.extend(gate.changes());
                Decision {
                    outcome: Verified::Refused,
                    changes,
                }
            }
            Proof::Accepted { method, replacement } => {
                settle(&mut account, &mut gate);
                let (signed_in, mut changes) = self.sign_in(account, method, replacement, seen, world);
                changes.extend(gate.changes());
                Decision {
                    outcome: Verified::SignedIn(signed_in),
                    changes,
                }
            }
        })
    }
}

impl Verify {
    fn refuse(
        &self,
        challenge: &Challenge,
        mut account: Account,
        reason: Reason,
        charged: Charged,
        world: &mut World<'_>,
    ) -> Vec<Change> {
        let event = Event::about(Act::CodeCheck, Ending::Refused, &account.name, &self.origin);
        let mut changes = alloc::vec![Change::Audit(event.because(reason))];
        // A used code is no guess and counts against no budget, but a challenge bears no more of them either:
        // each is an entry in the audit.
        let mut challenge = challenge.clone();
        challenge.wrong_codes += 1;
        if challenge.wrong_codes >= world.policy.challenge_wrong_codes_max {
            account.challenges.retain(|open| open.id != self.challenge);
            if reason != Reason::CodeAlreadyUsed {
                notify(
                    &mut account,
                    NoticeKind::PasswordKnownToStranger,
                    world,
                    &mut changes,
                );
            }
            changes.push(Change::Delete(Key::Challenge(self.challenge)));
        } else {
            changes.push(Change::Put(
                Key::Challenge(self.challenge),
                Record::Challenge(challenge),
            ));
        }
        note_charge(charged, &mut account, &self.origin, world, &mut changes);
        changes.push(put(account));
        changes
    }

    fn sign_in(
        &self,
        mut account: Account,
        method: &'static str,
        replacement: Option<Zeroizing<String>>,
        seen: &Snapshot,
        world: &mut World<'_>,
    ) -> (SignedIn, Vec<Change>) {
        let mut changes = alloc::vec![Change::Delete(Key::Challenge(self.challenge))];
        account.challenges.retain(|open| open.id != self.challenge);
        let methods = ["pwd", method, "mfa"];
        let mut signed_in = open_session(
            &mut account,
            Level::Two,
            &methods,
            &self.origin,
            world,
            &mut changes,
        );
        signed_in.browser = know_browser(&mut account, &self.origin, seen, world, &mut changes);
        account.sign_ins += 1;
        account.last_sign_in = Some(world.now);
        let event = Event::about(Act::SignIn, Ending::Success, &account.name, &self.origin);
        changes.push(Change::Audit(event.on(signed_in.session.digest().short())));
        note_backup_code(
            replacement.as_ref(),
            &mut account,
            &self.origin,
            world,
            &mut changes,
        );
        signed_in.replacement_code = replacement;
        changes.push(put(account));
        (signed_in, changes)
    }
}
