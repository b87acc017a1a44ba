//! Codes by text message as a second factor: an out-of-band authenticator over the telephone network (NIST SP 800-63B-4
//! §3.1.3), which that standard restricts (§3.2.9): whoever allows it offers something better beside it.
//!
//! Knows: the number, and a keyed hash of the one code that is under way. Must never know: how a message travels, or
//! how often one may be asked for. Read next: [`crate::command::send`], which knows that and asks for a code.

use alloc::format;
use alloc::string::{String, ToString};

use countersign_core::otp::{Code, Digits};
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Accepted, CodeVerdict, Holder, Offer, Provider, ToText};
use crate::contact::PhoneNumber;
use crate::id::{hex, unhex};
use crate::rule::World;
use crate::seal::{KeyRing, SealError};
use crate::session::is_open;
use crate::throttle::Class;

/// Seconds a code lives (§3.1.3.2: at most 10 minutes). *Bounds*: exclusive.
pub const CODE_S: u32 = 600;
/// Wrong guesses after which a code is void, beside what the throttle counts.
pub const WRONG_MAX: u8 = 5;

/// What is kept of a telephone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsCredential {
    /// Where codes go.
    number: PhoneNumber,
    /// The code that was sent last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
}

/// A code that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    /// Keyed hash of the code, in hexadecimal, bound to account and factor.
    hash: String,
    /// Its digits.
    digits: Digits,
    /// When it was drawn.
    at: UnixSeconds,
    /// Wrong guesses so far.
    wrong: u8,
    /// Whether it was accepted.
    used: bool,
}

impl Sent {
    fn is_open(&self, now: UnixSeconds) -> bool {
        is_open(self.at, self.at.plus(u64::from(CODE_S)), now) && self.wrong < WRONG_MAX
    }
}

impl SmsCredential {
    /// A telephone to which no code was sent yet.
    pub fn new(number: PhoneNumber) -> SmsCredential {
        SmsCredential { number, sent: None }
    }
}

impl Provider for SmsCredential {
    fn kind(&self) -> &'static str {
        "sms"
    }

    fn about(&self) -> String {
        format!("Text messages to {}", self.number.masked())
    }

    fn class(&self) -> Class {
        Class::Otp
    }

    fn method(&self) -> &'static str {
        "sms"
    }

    fn offer(&mut self, holder: Holder<'_>, world: &mut World<'_>) -> Result<Offer, SealError> {
        Ok(Offer {
            authenticator: None,
            to_text: self.send(holder, world),
        })
    }

    fn is_sent(&self) -> bool {
        true
    }

    fn send(&mut self, holder: Holder<'_>, world: &mut World<'_>) -> Option<ToText> {
        if !world.policy.sms_codes {
            return None;
        }
        let digits = world.policy.parameters.digits;
        let code = draw(digits, world);
        self.sent = Some(Sent {
            hash: hex(&hash(&code, holder, world.keys)),
            digits,
            at: world.now,
            wrong: 0,
            used: false,
        });
        Some(ToText {
            number: self.number.clone(),
            code,
            expires_in_s: CODE_S,
        })
    }

    fn check(
        &mut self,
        code: &str,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        let sent = self.sent.as_mut().filter(|sent| sent.is_open(world.now));
        // A switch that is off is off for what is under way as well.
        let Some(sent) = sent.filter(|_| world.policy.sms_codes) else {
            return Ok(CodeVerdict::Wrong);
        };
        let Ok(code) = Code::parse(code, sent.digits) else {
            return Ok(CodeVerdict::Malformed);
        };
        let presented = hash(&Zeroizing::new(code.to_string()), holder, world.keys);
        let is_equal = unhex(&sent.hash).is_some_and(|kept| kept.ct_eq(&presented[..]).into());
        Ok(match (is_equal, sent.used) {
            (true, true) => CodeVerdict::AlreadyUsed,
            (true, false) => {
                sent.used = true;
                CodeVerdict::Accepted(Accepted::default())
            }
            (false, _) => {
                sent.wrong += 1;
                CodeVerdict::Wrong
            }
        })
    }
}

/// Draws a code. Of 64 random bits the remainder is as good as uniform: no digit is likelier by more than 2⁻³⁷.
fn draw(digits: Digits, world: &mut World<'_>) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; 8]);
    world.entropy.fill(&mut *bytes);
    let width = usize::from(digits.count());
    let value = u64::from_be_bytes(*bytes) % 10u64.pow(u32::from(digits.count()));
    Zeroizing::new(format!("{value:0width$}"))
}

fn hash(code: &str, holder: Holder<'_>, keys: &KeyRing) -> [u8; 32] {
    let parts = [holder.account.as_str(), holder.factor, code];
    keys.index("text message code", &parts.map(str::as_bytes))
}
