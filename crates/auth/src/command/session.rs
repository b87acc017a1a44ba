//! Open sessions: end one, end the others, name one.
//!
//! Knows: whose sessions they are. Must never know: sockets; a deleted session record is the hint by which
//! they are closed.

use alloc::string::String;
use alloc::vec::Vec;

use super::{bounded, end_sessions, put};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::Digest;
use crate::name::Name;
use crate::policy::LABEL_CHARS_MAX;
use crate::record::{Key, Record};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;

/// Which sessions of an account are to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The asking one: a sign-out.
    Own,
    /// All but the asking one.
    Others,
    /// The one with this short identifier.
    One(String),
}

/// Ends sessions at their owner's wish.
#[derive(Clone, Debug)]
pub struct End {
    /// The session that asks.
    pub session: Digest,
    /// Whose sessions they are.
    pub name: Name,
    /// Which are to end.
    pub which: Which,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for End {
    /// How many sessions ended.
    type Outcome = usize;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone()), Key::Session(self.session)]
    }

    fn decide(&self, seen: &Snapshot, _: &mut World<'_>) -> Result<Decision<usize>, Fault> {
        let asking = seen
            .session(self.session)
            .filter(|session| session.account == self.name);
        let (Some(account), Some(_)) = (seen.account(&self.name), asking) else {
            return Ok(Decision::unchanged(0));
        };
        let mut account = account.clone();
        let mut changes = Vec::new();
        let before = account.sessions.len();
        match &self.which {
            Which::Others => end_sessions(
                &mut account,
                Some(self.session),
                Reason::ByOwner,
                &self.origin,
                &mut changes,
            ),
            Which::Own => self.end_one(&mut account, &self.session.short(), Act::SignOut, &mut changes),
            Which::One(short) => self.end_one(&mut account, short, Act::SessionEnd, &mut changes),
        }
        let ended = before - account.sessions.len();
        if ended > 0 {
            changes.push(put(account));
        }
        Ok(Decision {
            outcome: ended,
            changes,
        })
    }
}

impl End {
    fn end_one(
        &self,
        account: &mut crate::record::Account,
        short: &str,
        act: Act,
        changes: &mut Vec<Change>,
    ) {
        let Some(at) = account.sessions.iter().position(|open| open.id.short() == short) else {
            return;
        };
        let ended = account.sessions.remove(at);
        changes.push(Change::Delete(Key::Session(ended.id)));
        let event = Event::about(act, Ending::Success, &self.name, &self.origin);
        changes.push(Change::Audit(event.because(Reason::ByOwner).on(short)));
    }
}

/// Gives a session a name its owner will recognise.
#[derive(Clone, Debug)]
pub struct Rename {
    /// Whose session it is.
    pub name: Name,
    /// The full digest of the session to name.
    pub session: Digest,
    /// The new name, cut to a bound.
    pub label: String,
    /// Who asks.
    pub origin: Origin,
}

impl Rule for Rename {
    /// Whether there was such a session.
    type Outcome = bool;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Session(self.session)]
    }

    fn decide(&self, seen: &Snapshot, _: &mut World<'_>) -> Result<Decision<bool>, Fault> {
        let Some(session) = seen
            .session(self.session)
            .filter(|session| session.account == self.name)
        else {
            return Ok(Decision::unchanged(false));
        };
        let mut session = session.clone();
        session.label = bounded(&self.label, LABEL_CHARS_MAX);
        let event = Event::about(Act::SessionName, Ending::Success, &self.name, &self.origin);
        Ok(Decision {
            outcome: true,
            changes: alloc::vec![
                Change::Put(Key::Session(self.session), Record::Session(session.into())),
                Change::Audit(event.on(self.session.short())),
            ],
        })
    }
}
