//! What people are asked to approve: an application's action, and a session of their own.
//!
//! Knows: which rule answers, and which texts an action may hold. Must never know: bodies or headers.

use countersign_auth::action::{Action, ActionError, Field};
use countersign_auth::command::approval::{self, NotAsked, Redeemed};
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::number::{self, Begun, Collected, Looked};
use countersign_auth::event::{Act, Origin, Reason};
use countersign_auth::id::Digest;
use countersign_auth::name::Name;
use countersign_auth::record::{Approval, NumberRequest};
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use zeroize::Zeroizing;

use super::elevation::Elevated;
use super::{Failure, Live, Service, asker, names};

/// An action that can be shown and hashed: each value is what RFC 8265's OpaqueString (§4.2) makes of it, which leaves
/// out whatever nobody sees and whatever has two spellings.
///
/// # Errors
/// [`ActionError`].
pub fn action(kind: String, fields: Vec<Field>) -> Result<Action, ActionError> {
    let action = Action::new(kind, fields)?;
    let is_plain = |field: &&Field| OpaqueString::enforce(&field.value).is_ok_and(|text| text == field.value);
    match action.fields().iter().find(|field| !is_plain(field)) {
        Some(field) => Err(ActionError::Character(field.name.clone())),
        None => Ok(action),
    }
}

/// Whom an application means.
#[derive(Clone, Copy)]
pub enum Whom<'a> {
    /// An account by its name.
    Account(&'a str),
    /// Whoever a session token or an elevated token speaks of.
    Token(&'a str),
}

/// What an application asks a person.
pub struct Question {
    /// What is to be approved.
    pub action: Action,
    /// Seconds in which it must be answered.
    pub expires_in_s: u32,
    /// Whether a one-time code does as well.
    pub totp_fallback: bool,
}

/// What became of a session's wish to be stepped up.
pub enum Outcome {
    /// It waits for its answer.
    Waiting,
    /// The session is stepped up.
    SteppedUp(Box<Elevated>),
    /// It was denied.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// There is no such wish.
    Gone,
}

impl Service {
    /// Asks a person, in an application's name, to approve an action.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn ask_approval(
        &self,
        application: &Name,
        whom: Whom<'_>,
        question: Question,
        origin: &Origin,
    ) -> Result<Result<(Digest, Approval), NotAsked>, Failure> {
        let name = match whom {
            Whom::Account(typed) => names::parse(typed).ok(),
            Whom::Token(token) => {
                let identified = self.identify(None, token).await?;
                identified.map(|identified| identified.live.session.account.clone())
            }
        };
        let Some(name) = name else {
            return Ok(Err(NotAsked::Nobody));
        };
        let rule = approval::Ask {
            application: application.clone(),
            name,
            action: question.action,
            expires_in_s: question.expires_in_s,
            totp_fallback: question.totp_fallback,
            origin: origin.clone(),
        };
        let asked = self.submit(rule).await?;
        let reason = match &asked {
            Err(NotAsked::TooMany { .. }) => Some(Reason::TooMany),
            Err(NotAsked::Nobody) => Some(Reason::UnknownName),
            Ok(_) => None,
        };
        if let Some(reason) = reason {
            self.note_refusal(Act::ApprovalAsk, reason, origin);
        }
        Ok(asked)
    }

    /// What waits for a person's answer.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn waiting_approvals(&self, live: &Live) -> Result<Vec<(Digest, Approval)>, Failure> {
        let name = live.session.account.clone();
        self.ask(approval::Waiting { name }).await
    }

    /// Answers an approval with a code, or, without one, with no.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn answer_approval(
        &self,
        live: &Live,
        id: &str,
        code: Option<&str>,
        origin: &Origin,
    ) -> Result<Result<approval::Answered, Denied>, Failure> {
        let Some(id) = Digest::parse(id) else {
            return Ok(Ok(approval::Answered::Gone));
        };
        let rule = approval::Answer {
            asker: asker(live, code.unwrap_or_default(), origin),
            id,
            deny: code.is_none(),
        };
        self.submit_own(Act::ApprovalAnswer, rule, origin).await
    }

    /// Tells an application what was answered, once; none when there is nothing to tell it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn redeem_approval(
        &self,
        application: &Name,
        id: &str,
        origin: &Origin,
    ) -> Result<Option<Redeemed>, Failure> {
        let Some(id) = Digest::parse(id) else {
            return Ok(None);
        };
        let rule = approval::Redeem {
            application: application.clone(),
            id,
            origin: origin.clone(),
        };
        self.submit(rule).await
    }

    /// Asks that a session be stepped up by another one of the same person.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn begin_number(
        &self,
        live: &Live,
        purpose: &str,
        origin: &Origin,
    ) -> Result<Result<Begun, Denied>, Failure> {
        let rule = number::Begin {
            asker: asker(live, "", origin),
            purpose: purpose.to_owned(),
        };
        self.submit_own(Act::NumberAsk, rule, origin).await
    }

    /// What another session of the person asks for.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn waiting_number(
        &self,
        live: &Live,
        origin: &Origin,
    ) -> Result<Option<(Digest, NumberRequest)>, Failure> {
        let asker = asker(live, "", origin);
        self.ask(number::Waiting { asker }).await
    }

    /// Answers another session with its number, or, without one, with no.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn answer_number(
        &self,
        live: &Live,
        id: &str,
        typed: Option<&str>,
        origin: &Origin,
    ) -> Result<Result<number::Answered, Denied>, Failure> {
        let Some(id) = Digest::parse(id) else {
            return Ok(Ok(number::Answered::Gone));
        };
        let rule = number::Answer {
            asker: asker(live, "", origin),
            standing: live.standing,
            id,
            number: typed.map(|typed| Zeroizing::new(typed.to_owned())),
        };
        self.submit_own(Act::NumberAnswer, rule, origin).await
    }

    /// What became of a session's own wish so far; none when there is none.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn look_at_number(&self, live: &Live, token: &str) -> Result<Option<Looked>, Failure> {
        let rule = number::Look {
            session: live.id,
            request: Digest::of(token),
        };
        self.ask(rule).await
    }

    /// Takes what was answered to a session's own wish.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn collect_number(
        &self,
        live: &Live,
        token: &str,
        origin: &Origin,
    ) -> Result<Result<Outcome, Denied>, Failure> {
        let rule = number::Collect {
            asker: asker(live, "", origin),
            request: Digest::of(token),
        };
        let collected = match self.submit_own(Act::NumberAsk, rule, origin).await? {
            Ok(collected) => collected,
            Err(denied) => return Ok(Err(denied)),
        };
        Ok(Ok(match collected {
            Collected::Waiting => Outcome::Waiting,
            Collected::SteppedUp(stepped_up) => Outcome::SteppedUp(Box::new(self.elevated(*stepped_up)?)),
            Collected::Denied => Outcome::Denied,
            Collected::Expired => Outcome::Expired,
            Collected::Gone => Outcome::Gone,
        }))
    }
}
