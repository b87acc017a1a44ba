//! Authenticators that other systems seeded, taken over account by account.
//!
//! Knows: that a seed travels as an otpauth URI and a few words beside it. Must never know: which file it came from.

use countersign_auth::command::import::{Import, NotImported, Seed as Seeded, Taken as Took};
use countersign_core::otp::{SecretStrength, otpauth};
use countersign_core::time::StepNumber;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::names;
use super::{By, Operator, Reply, Stop, refused};

/// An authenticator as another system seeded it.
///
/// # Security
/// It has no Debug: the URI spells out the secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Seed {
    /// Its secret and parameters as an otpauth URI; the names in it are not looked at.
    pub uri: Zeroizing<String>,
    /// Where it stands in its file, for refusals to name.
    #[serde(default)]
    pub place: String,
    /// A name for the factor.
    pub label: String,
    /// Time steps by which its clock was found to be ahead.
    #[serde(default)]
    pub drift: i32,
    /// The highest time step whose code the other system accepted.
    #[serde(default)]
    pub last_accepted: Option<u64>,
}

impl Seed {
    /// Its place in the file, and its label where it has one.
    fn named(&self) -> String {
        match (self.place.as_str(), self.label.as_str()) {
            (place, "") => place.to_owned(),
            ("", label) => label.to_owned(),
            (place, label) => format!("{place} ({label})"),
        }
    }
}

/// What came of one authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It is a factor from now on.
    Added,
    /// It is, but its secret has less than 128 bits.
    AddedWeak,
    /// The account has it already.
    Exists,
    /// It was removed from the account and stays so.
    Removed,
}

/// What an account took over; shown once.
#[derive(Clone, Serialize, Deserialize)]
pub struct Imported {
    /// The mapped name.
    pub account: String,
    /// Whether the account was added; it has no password yet.
    pub account_added: bool,
    /// What came of each authenticator, in their order.
    pub taken: Vec<Taken>,
    /// Whether backup codes come with them.
    pub with_backup_codes: bool,
    /// The backup codes; none in a dry run.
    pub backup_codes: Vec<String>,
}

impl std::fmt::Debug for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Imported({})", self.account)
    }
}

impl Operator {
    pub(super) async fn import(
        &self,
        typed: &str,
        add: bool,
        seeds: Vec<Seed>,
        (again, dry_run): (bool, bool),
        by: &By,
    ) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(refused(error)),
        };
        let seeded = match seeded(&seeds) {
            Ok(seeded) => seeded,
            Err(why) => return Ok(refused(why)),
        };
        let rule = Import {
            name: name.clone(),
            add,
            seeds: seeded,
            again,
            dry_run,
            origin: by.origin.clone(),
        };
        // A dry run changes nothing, so it is asked beside the committer.
        let outcome = if dry_run {
            self.service.ask(rule).await?
        } else {
            self.submit(by, rule).await?
        };
        Ok(match outcome {
            Err(why) => refused(told(why, name.as_str(), &seeds)),
            Ok(imported) => Reply::Imported(Imported {
                account: name.to_string(),
                account_added: imported.account_added,
                taken: imported.taken.into_iter().map(Taken::from).collect(),
                with_backup_codes: imported.with_backup_codes,
                backup_codes: imported
                    .backup_codes
                    .iter()
                    .map(|code| code.to_string())
                    .collect(),
            }),
        })
    }
}

/// Authenticators as the rule takes them.
pub(super) fn seeded(seeds: &[Seed]) -> Result<Vec<Seeded>, String> {
    let read = |seed: &Seed| {
        let read = otpauth::parse(&seed.uri).map_err(|error| format!("{}: {error}", seed.named()))?;
        Ok(Seeded {
            label: seed.label.clone(),
            secret: read.secret,
            parameters: read.parameters,
            drift: seed.drift,
            last_accepted: seed.last_accepted.map(StepNumber),
        })
    };
    seeds.iter().map(read).collect()
}

impl From<Took> for Taken {
    fn from(took: Took) -> Taken {
        match took {
            Took::Added => Taken::Added,
            Took::AddedWeak => Taken::AddedWeak,
            Took::Exists => Taken::Exists,
            Took::Removed => Taken::Removed,
        }
    }
}

/// Why an account took nothing over, and what to do.
pub(super) fn told(why: NotImported, name: &str, seeds: &[Seed]) -> String {
    let named = |at: usize| seeds.get(at).map_or_else(String::new, Seed::named);
    match why {
        NotImported::NoAccount => {
            format!(
                "there is no account named {name}; add it with `countersign user add {name}`, or use --add"
            )
        }
        NotImported::TooMany => format!("{name} would have more than 16 factors; remove some"),
        NotImported::Secret {
            at,
            strength: SecretStrength::Sample,
        } => format!(
            "{}: its secret is a sample that everybody knows; enrol it anew",
            named(at)
        ),
        NotImported::Secret { at, .. } => {
            format!("{}: its secret has less than 80 bits; enrol it anew", named(at))
        }
        NotImported::LongSecret { at } => format!(
            "{}: its secret is longer than the block of its hash function (64 bytes, with SHA512 128); enrol it anew",
            named(at)
        ),
        NotImported::TimeStep { at } => {
            format!("{}: its time step is not 15 to 120 s; enrol it anew", named(at))
        }
        NotImported::Drift { at } => format!(
            "{}: its clock is more than an hour off; set it right, or enrol it anew",
            named(at)
        ),
        NotImported::LastAccepted { at } => format!(
            "{}: a time step more than an hour ahead is said to be used (DISALLOW_REUSE); take it out, or enrol \
             it anew",
            named(at)
        ),
    }
}
