//! Approve by number: a session is stepped up when its number is typed in another session of the same person.
//!
//! Knows: that agreeing is not enough, that nobody answers for themselves, and that what is lent ends with the lender's
//! own proof. Must never know: how a number is shown. Read next: `step_up`, for a step-up by a code.
//!
//! # Security
//! A number has six digits, as NIST SP 800-63B-4 §3.1.3.2 asks of what is carried from one channel to the other, and
//! three tries: whoever types at random approves what they never saw with a chance of three in a million. It is a keyed
//! hash of the request's identifier, so nothing stored shows it, and neither does what the approving page is told.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use countersign_core::elevation::{Demand, ElevationVerdict, Level, Standing, judge};
use countersign_core::limit::Room;
use countersign_core::otp::{Code, Digits};
use countersign_core::time::UnixSeconds;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::enrol::{Asker, Denied};
use super::step_up::{Proven, SteppedUp, elevate, object};
use super::{bounded, notify, put};
use crate::asks;
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::id::{Digest, Token};
use crate::policy::{LENDER_S, NUMBER_S, PURPOSE_CHARS_MAX, REDEEM_S, WRONG_NUMBERS_MAX};
use crate::record::{Account, Key, NoticeKind, NumberRequest, NumberState, Open, Record};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::seal::KeyRing;
use crate::session::is_open;
use crate::snapshot::Snapshot;

/// What a session in which a number is typed must have proven: a code within the hour.
pub const LENDER: Demand = Demand::fresh(LENDER_S);

/// The number of a request, in six digits.
pub fn number(request: Digest, keys: &KeyRing) -> Number {
    let hash = keys.index("number of a request", &[format!("{request}").as_bytes()]);
    let first = hash.first_chunk().copied().unwrap_or_default();
    let digits = format!("{:06}", u64::from_be_bytes(first) % 1_000_000);
    Number(Zeroizing::new(digits))
}

/// Asks that a session be stepped up by another one.
#[derive(Clone)]
pub struct Begin {
    /// Which session asks; it owes no code.
    pub asker: Asker,
    /// What it is for, in the asker's words; cut to a bound.
    pub purpose: String,
}

/// The number that is to be typed in the other session.
///
/// # Security
/// Debug prints nothing of it: whoever types it lends the asking session a level.
#[derive(Clone, PartialEq, Eq)]
pub struct Number(Zeroizing<String>);

impl Number {
    /// Its digits, for the asking page alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(…)")
    }
}

/// A request that was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Who shows this hears what was answered.
    pub token: Token,
    /// What is to be typed in the other session.
    pub number: Number,
    /// Seconds in which it must be.
    pub expires_in_s: u64,
}

impl Rule for Begin {
    /// Throttled while another request is open, or too many were made.
    type Outcome = Result<Begun, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = self.asker.reads(seen, world);
        keys.extend(request_key(&self.asker, seen));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let asker = &self.asker;
        let Some(mut account) = asker.account(seen, world) else {
            return Ok(Decision::unchanged(Err(Denied::NoSession)));
        };
        if !account.has_second_factor() || !world.policy.approve_by_number {
            return Ok(Decision::unchanged(Err(Denied::NoFactor)));
        }
        let mut changes = Vec::new();
        if let Room::Closed { retry_after_s } = make_way(&mut account, asker, seen, world, &mut changes) {
            return Ok(Decision::unchanged(Err(Denied::Throttled { retry_after_s })));
        }
        let token = Token::draw(world.entropy);
        let id = token.digest();
        let request = NumberRequest {
            account: asker.name.clone(),
            session: asker.session,
            network: asker.origin.network.clone(),
            agent: asker.origin.agent.clone(),
            purpose: bounded(&self.purpose, PURPOSE_CHARS_MAX),
            created_at: world.now,
            answer_until: world.now.plus(NUMBER_S),
            expires_at: world.now.plus(NUMBER_S + REDEEM_S),
            wrong_numbers: 0,
            state: NumberState::Open,
        };
        account.number_request = Some(Open {
            id,
            expires_at: request.expires_at,
        });
        let event = Event::about(Act::NumberAsk, Ending::Success, &asker.name, &asker.origin);
        changes.push(Change::Audit(event.on(object(asker.session, &request.purpose))));
        changes.push(store(id, request));
        changes.push(put(account));
        Ok(Decision {
            outcome: Ok(Begun {
                token,
                number: number(id, world.keys),
                expires_in_s: NUMBER_S,
            }),
            changes,
        })
    }
}

/// Makes room for a request: another session's that is open stays, an answered one and the asker's own go.
fn make_way(
    account: &mut Account,
    asker: &Asker,
    seen: &Snapshot,
    world: &World<'_>,
    changes: &mut Vec<Change>,
) -> Room {
    if let Some(earlier) = account.number_request {
        let request = seen.number_request(earlier.id);
        let standing =
            request.filter(|request| waits(request, world.now) && request.session != asker.session);
        if let Some(request) = standing {
            let retry_after_s = request.answer_until.since(world.now);
            return Room::Closed {
                retry_after_s: u32::try_from(retry_after_s).unwrap_or(u32::MAX).max(1),
            };
        }
        changes.extend(request.and_then(expired).map(Change::Audit));
        changes.push(Change::Delete(Key::NumberRequest(earlier.id)));
    }
    asks::take(&mut account.asks, &asker.origin.network, world.now)
}

/// What another session of the person asks for.
#[derive(Clone)]
pub struct Waiting {
    /// Which session looks; its own request is not shown to it.
    pub asker: Asker,
}

impl Rule for Waiting {
    type Outcome = Option<(Digest, NumberRequest)>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = self.asker.reads(seen, world);
        keys.extend(request_key(&self.asker, seen));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let open = self
            .asker
            .account(seen, world)
            .and_then(|account| account.number_request);
        let waiting = open.and_then(|open| {
            let request = seen.number_request(open.id)?;
            let is_another = request.session != self.asker.session;
            (is_another && waits(request, world.now)).then(|| (open.id, request.clone()))
        });
        Ok(Decision::unchanged(waiting))
    }
}

/// Answers a request from another session.
#[derive(Clone)]
pub struct Answer {
    /// Which session answers.
    pub asker: Asker,
    /// What whoever answers has proven.
    pub standing: Standing,
    /// The request that was seen.
    pub id: Digest,
    /// The number that was typed; none for no.
    pub number: Option<Zeroizing<String>>,
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The other session may be stepped up.
    Approved,
    /// It may not.
    Denied,
    /// The number is wrong, and may be typed again.
    Wrong,
    /// The answering session must prove more, or again.
    TooWeak(ElevationVerdict),
    /// There is no such request, or the session that answers made it.
    Gone,
}

impl Rule for Answer {
    type Outcome = Result<Answered, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = self.asker.reads(seen, world);
        keys.push(Key::NumberRequest(self.id));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let asker = &self.asker;
        let Some(account) = asker.account(seen, world) else {
            return Ok(Decision::unchanged(Err(Denied::NoSession)));
        };
        let request = seen.number_request(self.id).filter(|request| {
            request.account == asker.name && request.session != asker.session && waits(request, world.now)
        });
        let Some(mut request) = request.cloned() else {
            return Ok(Decision::unchanged(Ok(Answered::Gone)));
        };
        let Some(typed) = &self.number else {
            return Ok(self.deny(account, request, Reason::ByOwner, world));
        };
        match judge(&self.standing, &LENDER, world.now) {
            ElevationVerdict::Met => {}
            verdict => return Ok(Decision::unchanged(Ok(Answered::TooWeak(verdict)))),
        }
        let Ok(typed) = Code::parse(typed, Digits::SIX) else {
            return Ok(Decision::unchanged(Err(Denied::Malformed)));
        };
        let is_right = number(self.id, world.keys)
            .expose()
            .as_bytes()
            .ct_eq(format!("{typed}").as_bytes());
        if bool::from(is_right) {
            request.state = NumberState::Approved {
                by: asker.session,
                authenticated_at: self.standing.authenticated_at,
            };
            let event = self.event(Ending::Success, &request);
            let changes = alloc::vec![Change::Audit(event), store(self.id, request), put(account)];
            return Ok(Decision {
                outcome: Ok(Answered::Approved),
                changes,
            });
        }
        request.wrong_numbers += 1;
        if request.wrong_numbers >= WRONG_NUMBERS_MAX {
            return Ok(self.deny(account, request, Reason::WrongCode, world));
        }
        let event = self.event(Ending::Refused, &request).because(Reason::WrongCode);
        Ok(Decision {
            outcome: Ok(Answered::Wrong),
            changes: alloc::vec![Change::Audit(event), store(self.id, request), put(account)],
        })
    }
}

impl Answer {
    fn deny(
        &self,
        mut account: Account,
        mut request: NumberRequest,
        reason: Reason,
        world: &mut World<'_>,
    ) -> Decision<Result<Answered, Denied>> {
        request.state = NumberState::Denied;
        let event = self.event(Ending::Refused, &request).because(reason);
        let mut changes = alloc::vec![Change::Audit(event), store(self.id, request)];
        notify(&mut account, NoticeKind::NumberDenied, world, &mut changes);
        changes.push(put(account));
        Decision {
            outcome: Ok(Answered::Denied),
            changes,
        }
    }

    fn event(&self, ending: Ending, request: &NumberRequest) -> Event {
        let event = Event::about(Act::NumberAnswer, ending, &self.asker.name, &self.asker.origin);
        event.on(object(request.session, &request.purpose))
    }
}

/// What became of a request, without using it.
#[derive(Clone, Debug)]
pub struct Look {
    /// The session that asked.
    pub session: Digest,
    /// Digest of the request's token.
    pub request: Digest,
}

/// What became of a request so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// It waits for its number to be typed.
    Waiting {
        /// The number.
        number: Number,
    },
    /// The number was typed.
    Approved,
    /// It was denied, or nobody answered in time.
    Over,
}

impl Rule for Look {
    /// None when there is no such request of this session.
    type Outcome = Option<Looked>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::NumberRequest(self.request)]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let request = seen
            .number_request(self.request)
            .filter(|request| request.session == self.session && is_kept(request, world.now));
        let looked = request.map(|request| match request.state {
            NumberState::Approved { .. } => Looked::Approved,
            NumberState::Open if waits(request, world.now) => Looked::Waiting {
                number: number(self.request, world.keys),
            },
            NumberState::Open | NumberState::Denied => Looked::Over,
        });
        Ok(Decision::unchanged(looked))
    }
}

/// Takes what was answered: the session is stepped up, once.
#[derive(Clone)]
pub struct Collect {
    /// The session that asked; it owes no code.
    pub asker: Asker,
    /// Digest of the request's token.
    pub request: Digest,
}

/// What became of a request. All but the first is told once.
#[derive(Clone, Debug)]
pub enum Collected {
    /// It waits for its answer.
    Waiting,
    /// The session is stepped up.
    SteppedUp(Box<SteppedUp>),
    /// It was denied.
    Denied,
    /// Nobody answered in time, or what was lent is over.
    Expired,
    /// There is no such request of this session, or it was told already.
    Gone,
}

impl Rule for Collect {
    type Outcome = Result<Collected, Denied>;

    fn reads(&self, seen: &Snapshot, world: &World<'_>) -> Vec<Key> {
        let mut keys = self.asker.reads(seen, world);
        keys.push(Key::NumberRequest(self.request));
        keys
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let asker = &self.asker;
        let asking = asker.account(seen, world).zip(asker.session(seen, world));
        let Some((mut account, session)) = asking.map(|(account, session)| (account, session.clone())) else {
            return Ok(Decision::unchanged(Err(Denied::NoSession)));
        };
        let request = seen
            .number_request(self.request)
            .filter(|request| request.session == asker.session && is_kept(request, world.now));
        let Some(request) = request.cloned() else {
            return Ok(Decision::unchanged(Ok(Collected::Gone)));
        };
        if waits(&request, world.now) {
            return Ok(Decision::unchanged(Ok(Collected::Waiting)));
        }
        let mut changes = alloc::vec![Change::Delete(Key::NumberRequest(self.request))];
        account.number_request.take_if(|open| open.id == self.request);
        changes.push(put(account));
        let collected = match request.state {
            NumberState::Denied => Collected::Denied,
            NumberState::Open => {
                changes.extend(expired(&request).map(Change::Audit));
                Collected::Expired
            }
            NumberState::Approved { by, authenticated_at } => {
                let proven = lent(session.standing, authenticated_at, world);
                match world.now < proven.until {
                    false => Collected::Expired,
                    true => self.step_up(session, &proven, by, request.purpose, world, &mut changes),
                }
            }
        };
        Ok(Decision {
            outcome: Ok(collected),
            changes,
        })
    }
}

impl Collect {
    fn step_up(
        &self,
        mut session: crate::record::Session,
        proven: &Proven,
        by: Digest,
        purpose: String,
        world: &mut World<'_>,
        changes: &mut Vec<Change>,
    ) -> Collected {
        let asker = &self.asker;
        let token = elevate(&mut session, proven, world);
        let event = Event::about(Act::StepUp, Ending::Success, &asker.name, &asker.origin);
        let about = format!("{} by {}", object(asker.session, &purpose), by.short());
        changes.push(Change::Audit(event.on(about)));
        changes.push(Change::Put(
            Key::Session(asker.session),
            Record::Session(session.clone().into()),
        ));
        Collected::SteppedUp(Box::new(SteppedUp {
            token,
            id: asker.session,
            session,
            purpose,
            replacement_code: None,
        }))
    }
}

/// What a session's proof gives to another: no younger a proof than it has itself, and nothing beyond its hour, so that
/// two sessions never keep each other elevated.
fn lent(own: Standing, authenticated_at: UnixSeconds, world: &World<'_>) -> Proven {
    let at = match own.level {
        Level::Two | Level::TwoPhishingResistant => own.authenticated_at.max(authenticated_at),
        // What it proved itself was a password, which no demand for a fresh code may be met by.
        Level::Clear | Level::One => authenticated_at,
    };
    let until = world.now.plus(u64::from(world.policy.elevation_s));
    Proven {
        // "Multiple-channel authentication" (RFC 8176 §2).
        method: Some("mca"),
        at,
        until: until.min(authenticated_at.plus(u64::from(LENDER_S))),
    }
}

/// What the audit says of a request that ended without an answer.
pub(super) fn expired(request: &NumberRequest) -> Option<Event> {
    let is_open = request.state == NumberState::Open;
    is_open.then(|| {
        let event = Event::about(
            Act::NumberAnswer,
            Ending::Refused,
            &request.account,
            &Origin::server(),
        );
        event
            .because(Reason::TimedOut)
            .on(object(request.session, &request.purpose))
    })
}

fn waits(request: &NumberRequest, now: UnixSeconds) -> bool {
    request.state == NumberState::Open && is_open(request.created_at, request.answer_until, now)
}

fn is_kept(request: &NumberRequest, now: UnixSeconds) -> bool {
    is_open(request.created_at, request.expires_at, now)
}

/// The key of the account's request, once the account was read.
fn request_key(asker: &Asker, seen: &Snapshot) -> Option<Key> {
    if !seen.holds(&Key::Account(asker.name.clone())) {
        return None;
    }
    let open = seen.account(&asker.name)?.number_request?;
    Some(Key::NumberRequest(open.id))
}

fn store(id: Digest, request: NumberRequest) -> Change {
    Change::Put(Key::NumberRequest(id), Record::NumberRequest(request))
}
