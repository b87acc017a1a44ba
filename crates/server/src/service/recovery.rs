//! Recovery by mail, and the address such mail goes to: from a door's texts to the rules, and codes to the outbox.
//!
//! Knows: what is hashed and what is sent. Must never know: whether a name exists before a rule said so; what it
//! says to a door is the same either way.

use countersign_auth::command::password::Checked;
use countersign_auth::command::recovery::finish::{self, Finish};
use countersign_auth::command::recovery::prove::{self, Left, Prove, Proved, Shown};
use countersign_auth::command::recovery::{By, Cancel, Request, Requested};
use countersign_auth::command::{contact, enrol};
use countersign_auth::contact::{ContactError, MailAddress};
use countersign_auth::credential::password::{PasswordProblem, acceptable};
use countersign_auth::event::{Act, Origin, Reason};
use countersign_auth::id::{Digest, Token};
use countersign_auth::name::{Name, NameError};
use countersign_auth::record::Lost;
use zeroize::Zeroizing;

use super::post::{Code, Errand, Receiver};
use super::{Failure, Granted, Live, Service, asker, draw_token, names};
use crate::deliver::templates::Kind as Words;

/// What a request to recover an account came to; the same whether or not there is such an account.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Too much was asked for already.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// What there was to send is on its way.
    Accepted {
        /// What is shown beside the code.
        recovery: Token,
        /// Seconds it lives.
        expires_in_s: u32,
    },
}

/// The factor that is left, as it was typed.
///
/// # Security
/// It has no Debug.
pub enum Typed<'a> {
    /// A code of a second factor, or a backup code.
    Code(&'a str),
    /// The password.
    Password(&'a str),
    /// What an operator handed over.
    Ticket(&'a str),
}

impl Service {
    /// Whether codes can be sent, so that anything can be recovered by mail.
    pub fn sends_mail(&self) -> bool {
        self.outbox.is_open()
    }

    /// Asks to recover an account.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn ask_recovery(
        &self,
        typed: &str,
        origin: &Origin,
    ) -> Result<Result<Asked, NameError>, Failure> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => {
                self.note_refusal(Act::RecoveryAsk, Reason::Malformed, origin);
                return Ok(Err(error));
            }
        };
        let request = Request {
            name: name.clone(),
            origin: origin.clone(),
        };
        Ok(Ok(match self.submit(request).await? {
            Requested::Throttled { retry_after_s } => {
                self.note_refusal(Act::RecoveryAsk, Reason::Throttled, origin);
                Asked::Throttled { retry_after_s }
            }
            Requested::Accepted {
                recovery,
                expires_in_s,
                to_send,
            } => {
                if let Some(to_send) = to_send {
                    self.send(Words::Recovery, name, to_send, origin);
                }
                Asked::Accepted {
                    recovery,
                    expires_in_s,
                }
            }
        }))
    }

    fn send(&self, words: Words, name: Name, to_send: contact::ToSend, origin: &Origin) {
        self.outbox.leave(Errand::Code(Code {
            name,
            to: Receiver::Mail(to_send.address, words),
            code: to_send.code,
            at: self.clock.shown(),
            expires_in_s: to_send.expires_in_s,
            network: origin.network.clone(),
            id: draw_token(self).digest(),
        }));
    }

    /// Shows both proofs. No password is hashed before the mailed code was right. Where an operator vouched, `recovery`
    /// is what they handed over, and nothing was mailed.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn prove_recovery(
        &self,
        recovery: &str,
        typed_name: &str,
        mailed: &str,
        left: Typed<'_>,
        origin: &Origin,
    ) -> Result<Proved, Failure> {
        let Ok(name) = names::parse(typed_name) else {
            self.note_refusal(Act::RecoveryProve, Reason::NoRecovery, origin);
            return Ok(Proved::NoRecovery);
        };
        let shown = Shown {
            recovery: Digest::of(recovery),
            name,
            code: Zeroizing::new(mailed.to_owned()),
        };
        // A password that was changed while it was hashed is checked once more against the new one.
        for _ in 0..2 {
            let left = match &left {
                Typed::Code(code) => Left::Code(Zeroizing::new((*code).to_owned())),
                Typed::Ticket(ticket) => Left::Vouched(Digest::of(ticket)),
                Typed::Password(password) => match self.checked_if_due(&shown, password, origin).await? {
                    Ok(checked) => Left::Password(checked),
                    Err(retry_after_s) => return Ok(Proved::Throttled { retry_after_s }),
                },
            };
            let rule = Prove {
                shown: shown.clone(),
                left,
                origin: origin.clone(),
            };
            let proved = self.submit(rule).await?;
            let reason = match proved {
                Proved::NoRecovery => Some(Reason::NoRecovery),
                Proved::Malformed | Proved::NotTogether => Some(Reason::Malformed),
                Proved::Throttled { .. } => Some(Reason::Throttled),
                _ => None,
            };
            if let Some(reason) = reason {
                self.note_refusal(Act::RecoveryProve, reason, origin);
            }
            if proved != Proved::Stale {
                return Ok(proved);
            }
        }
        Err(Failure::Busy)
    }

    /// The password's check, when the mailed code is right; the inner error is how long to wait.
    async fn checked_if_due(
        &self,
        shown: &Shown,
        password: &str,
        origin: &Origin,
    ) -> Result<Result<Option<Checked>, u32>, Failure> {
        let look = prove::Look {
            shown: shown.clone(),
            origin: origin.clone(),
        };
        if !self.ask(look).await? {
            return Ok(Ok(None));
        }
        let checked = self.check_password(&shown.name, password, origin).await?;
        Ok(checked.map(Some))
    }

    /// What a proven recovery allows, without using it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn look_at_recovery(&self, recovery: &str) -> Result<Option<(Name, Lost)>, Failure> {
        let recovery = Digest::of(recovery);
        self.ask(finish::Look { recovery }).await
    }

    /// Carries a proven recovery out; a password is owed where the password was lost.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn finish_recovery(
        &self,
        recovery: &str,
        new: Option<&str>,
        origin: &Origin,
    ) -> Result<Result<finish::Finished, PasswordProblem>, Failure> {
        let proven = self.look_at_recovery(recovery).await?;
        let hash = match (&proven, new) {
            (Some((name, Lost::Password)), Some(new)) => {
                let prepared = names::password(new);
                if let Err(problem) = acceptable(&prepared, name, &self.policy) {
                    return Ok(Err(problem));
                }
                Some(self.hashing.hash(&prepared, self.salt()).await?)
            }
            (Some(_), _) => None,
            (None, _) => {
                self.note_refusal(Act::RecoveryFinish, Reason::NoRecovery, origin);
                return Ok(Ok(finish::Finished::NoRecovery));
            }
        };
        let rule = Finish {
            recovery: Digest::of(recovery),
            hash,
            origin: origin.clone(),
        };
        self.submit(rule).await.map(Ok)
    }

    /// Calls recoveries off by the mailed link; says how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn cancel_recovery_by_link(&self, token: &str, origin: &Origin) -> Result<usize, Failure> {
        let by = By::Link(Zeroizing::new(token.to_owned()));
        let origin = origin.clone();
        let ended = self
            .submit(Cancel {
                by,
                origin: origin.clone(),
            })
            .await?;
        if ended == 0 {
            self.note_refusal(Act::RecoveryCancel, Reason::NoRecovery, &origin);
        }
        Ok(ended)
    }

    /// Calls recoveries off from a live session; says how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn cancel_recovery(&self, live: &Live, origin: &Origin) -> Result<usize, Failure> {
        let by = By::Session(live.id, live.session.account.clone());
        let origin = origin.clone();
        self.submit(Cancel { by, origin }).await
    }

    /// Asks for another mail address, to which a code is sent.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn begin_address(
        &self,
        live: &Live,
        typed: &str,
        code: &str,
        origin: &Origin,
    ) -> Result<Result<Granted<()>, ContactError>, Failure> {
        let address = match MailAddress::parse(typed) {
            Ok(address) => address,
            Err(error) => return Ok(Err(error)),
        };
        let rule = contact::Begin {
            asker: asker(live, code, origin),
            address,
        };
        let granted = self.submit_own(Act::EmailSet, rule, origin).await?;
        Ok(Ok(granted.map(|granted| {
            self.send(
                Words::Address,
                live.session.account.clone(),
                granted.given,
                origin,
            );
            enrol::Granted {
                given: (),
                replacement_code: granted.replacement_code,
            }
        })))
    }

    /// Takes the code that was sent to the address.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn confirm_address(
        &self,
        live: &Live,
        code: &str,
        origin: &Origin,
    ) -> Result<Result<(), enrol::Denied>, Failure> {
        let rule = contact::Confirm {
            asker: asker(live, code, origin),
        };
        self.submit_own(Act::EmailSet, rule, origin).await
    }
}
