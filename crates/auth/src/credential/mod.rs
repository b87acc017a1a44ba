//! Second factors: one file a provider, behind one trait.
//!
//! Knows: which providers exist and how a presented code finds them. Must never know: what an accepted code
//! leads to. A new provider is a file here, a variant of [`Credential`] and a line in
//! [`Credential::provider`].

use alloc::format;
use alloc::string::String;
use core::fmt;

use countersign_core::otp::SharedSecret;
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub mod backup;
pub mod dummy;
pub mod hotp;
pub mod mailed;
pub mod password;
pub mod removed;
pub mod totp;

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
}

impl Credential {
    /// The id of the key that its secret is sealed under, where it keeps a secret.
    pub fn key_id(&self) -> Option<&str> {
        match self {
            Credential::Totp(totp) => Some(totp.secret.key_id()),
            Credential::Hotp(hotp) => Some(hotp.secret.key_id()),
            Credential::Backup(_) => None,
        }
    }

    /// The shared secret, where it keeps one.
    ///
    /// # Errors
    /// [`SealError`] when it can't be opened.
    pub fn open(&self, holder: Holder<'_>, world: &World<'_>) -> Result<Option<SharedSecret>, SealError> {
        match self {
            Credential::Totp(totp) => totp.open(holder, world).map(Some),
            Credential::Hotp(hotp) => hotp.open(holder, world).map(Some),
            Credential::Backup(_) => Ok(None),
        }
    }

    /// The provider that judges codes of this kind.
    pub fn provider(&mut self) -> &mut dyn Provider {
        match self {
            Credential::Totp(totp) => totp,
            Credential::Hotp(hotp) => hotp,
            Credential::Backup(backup) => backup,
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

/// One kind of second factor.
///
/// # Security
/// A provider compares in constant time, marks what it accepts as used in the record it is given, and never
/// says more than its verdict. It is asked only after the throttle had room.
pub trait Provider {
    /// The class its guesses are counted in.
    fn class(&self) -> Class;

    /// The method's name in `amr` (RFC 8176 where it has one).
    fn method(&self) -> &'static str;

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

    /// Seals its secrets anew under the ring's current key; false when there was nothing to do.
    ///
    /// # Errors
    /// [`SealError`] when a secret can't be opened.
    fn reseal(&mut self, holder: Holder<'_>, world: &mut World<'_>) -> Result<bool, SealError>;
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
