//! Protected hosts: a session at Countersign is entered at another host by a ticket, and gets one more key there.
//!
//! Knows: that a ticket works once, for its host, within its time, and in the browser that asked for it. Must never
//! know: which hosts are protected, or cookies.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::{Act, Ending, Event, Origin};
use crate::id::{Digest, Presented, SessionToken};
use crate::name::Name;
use crate::policy::HOST_TICKETS_MAX;
use crate::record::{HostTicket, Key, Record, Session};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::session::{is_open, renew_key};
use crate::snapshot::Snapshot;

/// Issues a ticket by which the asking session is entered at a host.
#[derive(Clone, Debug)]
pub struct Issue {
    /// The session.
    pub session: Digest,
    /// The host, in lower case.
    pub host: String,
    /// Digest of what the browser holds at that host.
    pub state: Digest,
}

impl Rule for Issue {
    /// The ticket; none when the session is over.
    type Outcome = Option<SessionToken>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Session(self.session)]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let Some(mut session) = seen.session(self.session).cloned() else {
            return Ok(Decision::unchanged(None));
        };
        let ticket = SessionToken::renew(&session.handle, world.entropy);
        session.tickets.retain(|kept| world.now < kept.expires_at);
        let beyond = (session.tickets.len() + 1).saturating_sub(HOST_TICKETS_MAX);
        session.tickets.drain(..beyond);
        session.tickets.push(HostTicket {
            digest: ticket.key(),
            host: self.host.clone(),
            state: self.state,
            expires_at: world.now.plus(u64::from(world.policy.host_ticket_s)),
        });
        Ok(Decision {
            outcome: Some(ticket),
            changes: alloc::vec![put(self.session, session)],
        })
    }
}

/// Uses a ticket up, and makes a key to its session for its host.
#[derive(Clone, Debug)]
pub struct Enter {
    /// The ticket as it was presented.
    pub ticket: Presented,
    /// The host it was presented at, in lower case.
    pub host: String,
    /// Digest of what the browser showed there.
    pub state: Digest,
    /// Who asks.
    pub origin: Origin,
}

/// A session that was entered at a host.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The token that opens it there.
    pub token: SessionToken,
    /// Whose session it is.
    pub name: Name,
    /// Seconds until it ends at the latest.
    pub expires_in_s: u64,
}

impl Rule for Enter {
    /// None when the ticket is unknown, used, over, for another host, or shown by another browser: one answer.
    type Outcome = Option<Entered>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Session(self.ticket.session)]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let id = self.ticket.session;
        let open = seen
            .session(id)
            .filter(|session| is_open(session.created_at, session.expires_at, world.now));
        let Some(mut session) = open.cloned() else {
            return Ok(Decision::unchanged(None));
        };
        let Some(at) = session.tickets.iter().position(|kept| self.fits(kept, world)) else {
            return Ok(Decision::unchanged(None));
        };
        session.tickets.remove(at);
        let overlap_s = world.policy.overlap_s;
        let token = renew_key(
            &mut session,
            Some(&self.host),
            overlap_s,
            world.now,
            world.entropy,
        );
        let entered = Entered {
            token,
            name: session.account.clone(),
            expires_in_s: session.expires_at.since(world.now),
        };
        let event = Event::about(Act::HostEnter, Ending::Success, &session.account, &self.origin);
        let event = event.on(format!("{}: {}", id.short(), self.host));
        Ok(Decision {
            outcome: Some(entered),
            changes: alloc::vec![put(id, session), Change::Audit(event)],
        })
    }
}

impl Enter {
    fn fits(&self, kept: &HostTicket, world: &World<'_>) -> bool {
        let is_ours = kept.digest.is(&self.ticket.key) & kept.state.is(&self.state);
        is_ours && kept.host == self.host && world.now < kept.expires_at
    }
}

fn put(id: Digest, session: Session) -> Change {
    Change::Put(Key::Session(id), Record::Session(session.into()))
}
