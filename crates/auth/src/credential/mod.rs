//! Second factors: one file a provider, behind one trait.
//!
//! Knows: which providers exist, what each offers whoever enrols it, and how a presented code finds them. Must never
//! know: what an accepted code leads to. A new provider is a file here, a variant of [`Credential`] and a line in each
//! of [`Credential::provider`] and [`Credential::provider_mut`]; one that owners may enrol is a [`Wish`] as well.

use alloc::format;
use alloc::string::String;
use core::fmt;

use countersign_core::otp::{SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub mod backup;
pub mod dummy;
pub mod hotp;
pub mod mailed;
pub mod password;
pub mod removed;
pub mod sms;
pub mod totp;

use crate::contact::PhoneNumber;
use crate::name::Name;
use crate::rule::{Entropy, World};
use crate::seal::{Place, SealError, Sealed};
use crate::throttle::Class;

/// A second factor of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// Short identifier within the account.
    pub id: String,
    /// A name its owner gave it.
    pub label: String,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// Whether it counts yet.
    pub state: FactorState,
    /// What proves it.
    pub credential: Credential,
}

/// Whether a factor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorState {
    /// Waiting for a code that confirms it, until this time.
    Pending(UnixSeconds),
    /// Confirmed at this time.
    Active(UnixSeconds),
}

impl Factor {
    /// Whether it can prove anything.
    pub fn is_active(&self) -> bool {
        matches!(self.state, FactorState::Active(_))
    }

    /// Whether it still waits for its confirming code.
    pub fn is_pending(&self, now: UnixSeconds) -> bool {
        matches!(self.state, FactorState::Pending(until) if now < until)
    }

    /// Whether it is a set of backup codes.
    pub fn is_backup(&self) -> bool {
        matches!(self.credential, Credential::Backup(_))
    }
}

/// What each kind of factor keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Credential {
    /// A time-based one-time password.
    Totp(totp::TotpCredential),
    /// A counter-based one-time password.
    Hotp(hotp::HotpCredential),
    /// Single-use backup codes.
    Backup(backup::BackupCodes),
    /// Codes by text message.
    Sms(sms::SmsCredential),
}

/// What an owner may ask for as a second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// An authenticator that shows time-based codes.
    Authenticator,
    /// Codes by text message, to this number.
    TextMessages(PhoneNumber),
}

impl Wish {
    /// What a factor is called whose owner gave it no name.
    pub fn label(&self) -> &'static str {
        match self {
            Wish::Authenticator => "Authenticator",
            Wish::TextMessages(_) => "Telephone",
        }
    }
}

impl Credential {
    /// What is kept of a new factor of the kind that is wished for.
    pub fn draw(wish: &Wish, holder: Holder<'_>, world: &mut World<'_>) -> Credential {
        match wish {
            Wish::Authenticator => Credential::Totp(totp::TotpCredential::draw(holder, world)),
            Wish::TextMessages(number) => Credential::Sms(sms::SmsCredential::new(number.clone())),
        }
    }

    /// The provider that speaks of this kind.
    pub fn provider(&self) -> &dyn Provider {
        match self {
            Credential::Totp(totp) => totp,
            Credential::Hotp(hotp) => hotp,
            Credential::Backup(backup) => backup,
            Credential::Sms(sms) => sms,
        }
    }

    /// The provider that judges codes of this kind.
    pub fn provider_mut(&mut self) -> &mut dyn Provider {
        match self {
            Credential::Totp(totp) => totp,
            Credential::Hotp(hotp) => hotp,
            Credential::Backup(backup) => backup,
            Credential::Sms(sms) => sms,
        }
    }
}

/// Whose factor is asked.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// The account.
    pub account: &'a Name,
    /// The factor's short identifier.
    pub factor: &'a str,
}

/// What a provider says of a code.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum CodeVerdict {
    /// Right, never accepted before, and from now on used: the provider has changed its own record.
    Accepted(Accepted),
    /// Right, but accepted before.
    AlreadyUsed,
    /// Not one of this factor's codes.
    Wrong,
    /// Not even the shape of this factor's codes.
    Malformed,
    /// No decision about time can be made.
    ClockNotSet,
}

/// What came with an accepted code.
///
/// # Security
/// Debug prints nothing of it.
#[derive(Default, PartialEq, Eq)]
pub struct Accepted {
    /// A code issued in place of the one just used up, to be shown once.
    pub replacement: Option<Zeroizing<String>>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accepted(…)")
    }
}

/// What the owner of a factor that was just made is offered, once.
#[derive(Default)]
pub struct Offer {
    /// What is carried into an authenticator, as a picture or as text. Where there is none, there is nothing to show.
    pub authenticator: Option<Authenticator>,
    /// The confirming code, where it is sent; whoever sends it takes it from here.
    pub to_text: Option<ToText>,
}

/// A secret and the parameters of its codes.
pub struct Authenticator {
    /// The shared secret.
    pub secret: SharedSecret,
    /// The parameters of its codes.
    pub parameters: Totp,
}

/// A code and the number it is to be sent to; for the courier alone.
///
/// # Security
/// It has no Debug. Whoever asked for the code must not learn it from the answer.
pub struct ToText {
    /// Where it goes.
    pub number: PhoneNumber,
    /// The code.
    pub code: Zeroizing<String>,
    /// Seconds it lives.
    pub expires_in_s: u32,
}

/// One kind of second factor, from what its owner is offered to the last of its codes.
///
/// # Security
/// A provider compares in constant time, marks what it accepts as used in the record it is given, and never
/// says more than its verdict. It is asked only after the throttle had room, and what it was given is stored whatever
/// its verdict.
pub trait Provider {
    /// What doors and lists call it.
    fn kind(&self) -> &'static str;

    /// What it is, in a few words to its owner.
    fn about(&self) -> String;

    /// The class its guesses are counted in.
    fn class(&self) -> Class;

    /// The method's name in `amr` (RFC 8176 where it has one).
    fn method(&self) -> &'static str;

    /// What its owner is offered when it was just made; nothing of what nobody enrols alone.
    ///
    /// # Errors
    /// [`SealError`] when its secret can't be opened.
    fn offer(&mut self, holder: Holder<'_>, world: &mut World<'_>) -> Result<Offer, SealError> {
        let _ = (holder, world);
        Ok(Offer::default())
    }

    /// Judges the code that confirms it, which is used up by that.
    ///
    /// # Errors
    /// [`SealError`] when its secret can't be opened.
    fn confirm(
        &mut self,
        code: &str,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        self.check(code, holder, world)
    }

    /// Whether its codes are sent, so that one must be asked for.
    fn is_sent(&self) -> bool {
        false
    }

    /// Draws a code to be sent, in place of any before it; none where its owner has the codes.
    fn send(&mut self, holder: Holder<'_>, world: &mut World<'_>) -> Option<ToText> {
        let _ = (holder, world);
        None
    }

    /// Judges a code and, when it is accepted, marks it as used.
    ///
    /// # Errors
    /// [`SealError`] when its secret can't be opened.
    fn check(
        &mut self,
        code: &str,
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError>;

    /// Finds prover and verifier together again by two consecutive codes, none of which was ever accepted (RFC
    /// 4226 §7.4, RFC 6238 §6); both are used up by that. For whoever is signed in alone. Codes that have no order are
    /// never consecutive.
    ///
    /// # Errors
    /// [`SealError`] when its secret can't be opened.
    fn resynchronise(
        &mut self,
        codes: (&str, &str),
        holder: Holder<'_>,
        world: &mut World<'_>,
    ) -> Result<CodeVerdict, SealError> {
        let _ = (codes, holder, world);
        Ok(CodeVerdict::Malformed)
    }

    /// How many codes are left, where they are counted.
    fn codes_left(&self) -> Option<usize> {
        None
    }

    /// The lowest counter or time step whose code was not used up, where its codes have an order.
    fn next(&self) -> Option<u64> {
        None
    }

    /// The shared secret, where it keeps one.
    ///
    /// # Errors
    /// [`SealError`] when it can't be opened.
    fn secret(&self, holder: Holder<'_>, world: &World<'_>) -> Result<Option<SharedSecret>, SealError> {
        let _ = (holder, world);
        Ok(None)
    }

    /// The id of the key that its secret is sealed under, where it keeps a secret.
    fn key_id(&self) -> Option<&str> {
        None
    }

    /// Seals its secrets anew under the ring's current key; false when there was nothing to do.
    ///
    /// # Errors
    /// [`SealError`] when a secret can't be opened.
    fn reseal(&mut self, holder: Holder<'_>, world: &mut World<'_>) -> Result<bool, SealError> {
        let _ = (holder, world);
        Ok(false)
    }
}

/// The class of credential that a text has the shape of; none when it has the shape of no code at all.
///
/// Decided before anything is evaluated: what is malformed is refused and audited, but is no guess.
pub fn class_of(code: &str) -> Option<Class> {
    if totp::has_shape(code) {
        Some(Class::Otp)
    } else if backup::has_shape(code) {
        Some(Class::Backup)
    } else {
        None
    }
}

/// Seals the shared secret of a factor into a column of its account.
fn seal(secret: &SharedSecret, column: &str, holder: Holder<'_>, world: &mut World<'_>) -> Sealed {
    let row = format!("{}/{}", holder.account, holder.factor);
    world
        .keys
        .seal(secret.expose(), place(&row, column), world.entropy)
}

/// Opens the shared secret of a factor.
fn open(
    sealed: &Sealed,
    column: &str,
    holder: Holder<'_>,
    world: &World<'_>,
) -> Result<SharedSecret, SealError> {
    let row = format!("{}/{}", holder.account, holder.factor);
    let bytes = world.keys.open(sealed, place(&row, column))?;
    SharedSecret::from_bytes(&bytes).map_err(|_| SealError::Altered)
}

/// Seals the shared secret of a factor anew under the current key; false when it is already.
fn reseal(
    sealed: &mut Sealed,
    column: &str,
    holder: Holder<'_>,
    world: &mut World<'_>,
) -> Result<bool, SealError> {
    if sealed.key_id() == world.keys.current() {
        return Ok(false);
    }
    let secret = open(sealed, column, holder, world)?;
    *sealed = seal(&secret, column, holder, world);
    Ok(true)
}

fn place<'a>(row: &'a str, column: &'a str) -> Place<'a> {
    Place {
        table: "account",
        row,
        column,
    }
}

/// A short random identifier for a factor.
pub fn draw_factor_id(entropy: &mut dyn Entropy) -> String {
    let mut bytes = [0u8; 4];
    entropy.fill(&mut bytes);
    crate::id::hex(&bytes)
}
