//! Step-up: within a session, proving it again, and more strongly, for what matters.
//!
//! Knows: what an elevation takes, how long it lasts, and that it is worth something with the session's new key alone.
//! Must never know: which operation it is for beyond the words of its purpose, nor how tokens are spelt.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::elevation::{Elevation, Level, Standing};
use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

use super::enrol::{Asker, Denied};
use super::{bounded, browser_text, note_backup_code, put, source};
use crate::event::{Act, Ending, Event};
use crate::id::{Digest, SessionToken};
use crate::policy::PURPOSE_CHARS_MAX;
use crate::record::{Key, Record, Session};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::renew_key;
use crate::snapshot::Snapshot;
use crate::throttle::Gate;

/// Asks for an elevation of the session, by a code.
#[derive(Clone)]
pub struct StepUp {
    /// Who asks; its code is the proof.
    pub asker: Asker,
    /// What it is for, in the asker's words; cut to a bound.
    pub purpose: String,
}

/// A session that was elevated.
#[derive(Clone, Debug)]
pub struct SteppedUp {
    /// The session's new token.
    pub token: SessionToken,
    /// The session's identifier.
    pub id: Digest,
    /// The session as it now is.
    pub session: Session,
    /// What it is for, cut to a bound.
    pub purpose: String,
    /// A backup code issued in place of the one that was the proof.
    pub replacement_code: Option<Zeroizing<String>>,
}

impl Rule for StepUp {
    type Outcome = Result<SteppedUp, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        self.asker.reads(seen, world)
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let asker = &self.asker;
        let asking = asker.account(seen, world).zip(asker.session(seen, world));
        let Some((mut account, mut session)) = asking.map(|(account, session)| (account, session.clone()))
        else {
            return Ok(Decision::unchanged(Err(Denied::NoSession)));
        };
        if !account.has_second_factor() {
            return Ok(Decision::unchanged(Err(Denied::NoFactor)));
        }
        let shown = browser_text(&asker.origin);
        let source = source(&asker.name, &asker.origin, &shown, seen, world);
        let mut gate = Gate::new(&asker.name, true, source, seen, world.keys);
        let proof = match asker.prove(Act::StepUp, &mut account, &mut gate, world)? {
            Err((denied, mut changes)) => {
                changes.extend(gate.changes());
                return Ok(Decision {
                    outcome: Err(denied),
                    changes,
                });
            }
            Ok(proof) => proof,
        };
        let mut changes = Vec::new();
        note_backup_code(
            proof.replacement.as_ref(),
            &mut account,
            &asker.origin,
            world,
            &mut changes,
        );
        let purpose = bounded(&self.purpose, PURPOSE_CHARS_MAX);
        let proven = Proven {
            method: proof.method,
            at: world.now,
            until: world.now.plus(u64::from(world.policy.elevation_s)),
        };
        let token = elevate(&mut session, &proven, world);
        let event = Event::about(Act::StepUp, Ending::Success, &asker.name, &asker.origin);
        changes.push(Change::Audit(event.on(object(asker.session, &purpose))));
        changes.push(Change::Put(
            Key::Session(asker.session),
            Record::Session(session.clone().into()),
        ));
        changes.push(put(account));
        changes.extend(gate.changes());
        Ok(Decision {
            outcome: Ok(SteppedUp {
                token,
                id: asker.session,
                session,
                purpose,
                replacement_code: proof.replacement,
            }),
            changes,
        })
    }
}

/// What the audit says an elevation was about: the session, and the purpose where there was one.
pub(super) fn object(session: Digest, purpose: &str) -> String {
    let session = session.short();
    if purpose.is_empty() {
        session
    } else {
        alloc::format!("{session}: {purpose}")
    }
}

/// What an elevation rests on.
pub(super) struct Proven {
    /// The method, as RFC 8176 names it.
    pub(super) method: Option<&'static str>,
    /// When a factor was proven.
    pub(super) at: UnixSeconds,
    /// When what it gives is over at the latest.
    pub(super) until: UnixSeconds,
}

/// Elevates a session from now on and makes the key it is worth something with.
pub(super) fn elevate(session: &mut Session, proven: &Proven, world: &mut World<'_>) -> SessionToken {
    session.standing = Standing {
        level: session.standing.level,
        authenticated_at: proven.at,
        elevation: Some(Elevation {
            level: Level::Two,
            since: world.now,
            until: proven.until.min(session.expires_at),
        }),
    };
    for method in proven.method.into_iter().chain(["mfa"]) {
        if session.methods.iter().all(|known| known != method) {
            session.methods.push(String::from(method));
        }
    }
    renew_key(session, None, world.policy.overlap_s, world.now, world.entropy)
}
