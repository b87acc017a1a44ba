//! Step-up: within a session, proving it again, and more strongly, for what matters; and giving that back.
//!
//! Knows: what an elevation takes, how long it lasts, and that it is worth something with the session's new key alone.
//! Must never know: which operation it is for beyond the words of its purpose, nor how tokens are spelt.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use countersign_core::elevation::{Elevation, Level, Standing};
use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

use super::enrol::{Asker, Denied};
use super::{bounded, browser_text, note_backup_code, put, source};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{Digest, SessionToken};
use crate::name::Name;
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
///
/// # Security
/// Debug prints nothing that opens anything.
#[derive(Clone)]
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

impl fmt::Debug for SteppedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SteppedUp({})", self.id.short())
    }
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

/// Gives an elevation back before it is over by itself.
///
/// # Security
/// It ends with every key of the session, at whatever host, and with the elevated tokens that were made until now,
/// wherever somebody asks this installation about them.
#[derive(Clone, Debug)]
pub struct StepDown {
    /// The session that asks.
    pub session: Digest,
    /// Whose session it is.
    pub name: Name,
    /// Who asks.
    pub origin: Origin,
}

/// What giving an elevation back came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SteppedDown {
    /// It is over.
    Done,
    /// There was none.
    NotElevated,
    /// The session is over.
    NoSession,
}

impl Rule for StepDown {
    type Outcome = SteppedDown;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Session(self.session)]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<SteppedDown>, Fault> {
        let own = seen
            .session(self.session)
            .filter(|session| session.account == self.name);
        let Some(mut session) = own.cloned() else {
            return Ok(Decision::unchanged(SteppedDown::NoSession));
        };
        let on = session
            .standing
            .elevation
            .filter(|elevation| world.now < elevation.until);
        let Some(elevation) = on else {
            return Ok(Decision::unchanged(SteppedDown::NotElevated));
        };
        // Another node's clock may be a little ahead.
        session.stepped_down_at = Some(world.now.max(elevation.since));
        session.standing = standing_of(&session, session.standing);
        for at in 0..session.keys.len() {
            session.keys[at].standing = standing_of(&session, session.keys[at].standing);
        }
        let event = Event::about(Act::StepDown, Ending::Success, &self.name, &self.origin);
        let event = event.because(Reason::ByOwner).on(self.session.short());
        Ok(Decision {
            outcome: SteppedDown::Done,
            changes: alloc::vec![
                Change::Put(Key::Session(self.session), Record::Session(session.into())),
                Change::Audit(event),
            ],
        })
    }
}

/// What a standing that was given in a session is worth, now that its owner may have given an elevation back.
///
/// An elevation of the very second in which one was given back is over too: of two orders the safe one.
pub fn standing_of(session: &Session, given: Standing) -> Standing {
    let is_given_back =
        |elevation: &Elevation| session.stepped_down_at.filter(|down| elevation.since <= *down);
    let elevation = given.elevation.map(|elevation| match is_given_back(&elevation) {
        Some(down) => Elevation {
            until: elevation.until.min(down),
            ..elevation
        },
        None => elevation,
    });
    Standing { elevation, ..given }
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
