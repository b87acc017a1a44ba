//! Codes by text message: from a door's texts to the rules, and codes to the outbox.
//!
//! Knows: what is sent, and to which number a factor is made. Must never know: whether there is a telephone before a
//! rule said so; what it says to a door is the same either way.

use countersign_auth::command::send::{self, Asked, By, Send, can_ask};
use countersign_auth::contact::{ContactError, PhoneNumber};
use countersign_auth::credential::{ToText, Wish};
use countersign_auth::event::{Act, Origin, Reason};
use countersign_auth::id::Digest;
use countersign_auth::name::Name;
use countersign_auth::record::Account;

use super::post::{Code, Errand, Receiver};
use super::{Failure, Live, Service, draw_token};

/// What a request for a code came to; the same whether or not there is a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The challenge or the session is over.
    Over,
    /// Too much was asked for already.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// What there was to send is on its way.
    Accepted,
}

/// Why a text names no factor that could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWish {
    /// There is no such kind, or it is none that an owner makes.
    Kind,
    /// What was given is no telephone number.
    Number(ContactError),
    /// None was given, and the account has none.
    NoNumber,
}

impl Service {
    /// Whether codes are sent by text message.
    pub fn sends_codes(&self) -> bool {
        self.policy.sms_codes && self.outbox.is_open()
    }

    /// Whether an account's owner can ask for a code.
    pub fn can_ask_code(&self, account: &Account) -> bool {
        self.sends_codes() && can_ask(account, self.policy.sms_codes)
    }

    /// The same of whoever holds a challenge.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn can_ask_code_for(&self, challenge: &str) -> Result<bool, Failure> {
        if !self.sends_codes() {
            return Ok(false);
        }
        let challenge = Digest::of(challenge);
        self.ask(send::Look { challenge }).await
    }

    /// The factor that an owner asks for, by its kind and perhaps a telephone number; without one it is the account's.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn wish(&self, live: &Live, kind: &str, phone: &str) -> Result<Result<Wish, NoWish>, Failure> {
        match kind {
            "" | "totp" => return Ok(Ok(Wish::Authenticator)),
            "sms" => {}
            _ => return Ok(Err(NoWish::Kind)),
        }
        if !phone.trim().is_empty() {
            let number = PhoneNumber::parse(phone).map_err(NoWish::Number);
            return Ok(number.map(Wish::TextMessages));
        }
        let view = self.view(&live.session.account).await?;
        let number = view.and_then(|view| view.account.phone);
        Ok(number.map(Wish::TextMessages).ok_or(NoWish::NoNumber))
    }

    /// Sends a code to whoever holds a challenge.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send_code_for(&self, challenge: &str, origin: &Origin) -> Result<Sent, Failure> {
        self.send_code(By::Challenge(Digest::of(challenge)), origin).await
    }

    /// Sends a code to the owner of a session.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send_code_to(&self, live: &Live, origin: &Origin) -> Result<Sent, Failure> {
        let by = By::Session(live.id, live.session.account.clone());
        self.send_code(by, origin).await
    }

    async fn send_code(&self, by: By, origin: &Origin) -> Result<Sent, Failure> {
        let rule = Send {
            by,
            origin: origin.clone(),
        };
        Ok(match self.submit(rule).await? {
            Asked::Over => {
                self.note_refusal(Act::CodeSend, Reason::NoChallenge, origin);
                Sent::Over
            }
            Asked::Throttled { retry_after_s } => {
                self.note_refusal(Act::CodeSend, Reason::Throttled, origin);
                Sent::Throttled { retry_after_s }
            }
            Asked::Accepted(to_send) => {
                if let Some((name, to_text)) = to_send {
                    self.text(name, to_text, origin);
                }
                Sent::Accepted
            }
        })
    }

    /// Hands a code to the courier of text messages; it is in memory alone.
    pub(super) fn text(&self, name: Name, to_text: ToText, origin: &Origin) {
        self.outbox.leave(Errand::Code(Code {
            name,
            to: Receiver::Phone(to_text.number),
            code: to_text.code,
            at: self.clock.shown(),
            expires_in_s: to_text.expires_in_s,
            network: origin.network.clone(),
            id: draw_token(self).digest(),
        }));
    }
}
