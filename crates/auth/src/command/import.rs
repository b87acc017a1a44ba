//! Import: authenticators that other systems seeded become second factors here.
//!
//! Knows: which secrets are too weak to take over, what an account has already, and that an account takes all that was
//! found for it or nothing. Must never know: in which file or format the seeds came.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use countersign_core::otp::otpauth::Parameters;
use countersign_core::otp::{Counter, SecretStrength, SharedSecret};
use countersign_core::time::StepNumber;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{bounded, end_all, enrol, notify, put};
use crate::credential::hotp::HotpCredential;
use crate::credential::removed::{self, Removed};
use crate::credential::totp::TotpCredential;
use crate::credential::{self, Credential, Factor, FactorState, Holder};
use crate::event::{Act, Ending, Event, Origin, Reason};
use crate::name::Name;
use crate::policy::{FACTORS_MAX, LABEL_CHARS_MAX};
use crate::record::{Account, Key, NoticeKind};
use crate::rule::{Change, Decision, Fault, Rule, World};
use crate::snapshot::Snapshot;

/// Shortest and longest time step that is taken over, in seconds; beyond two minutes a nonce changes too seldom (NIST
/// SP 800-63B-4 §3.1.4.1).
pub const TIME_STEP_S: core::ops::RangeInclusive<u32> = 15..=120;

/// An authenticator as another system seeded it.
#[derive(Debug)]
pub struct Seed {
    /// A name for the factor.
    pub label: String,
    /// The shared secret.
    pub secret: SharedSecret,
    /// Which codes it shows.
    pub parameters: Parameters,
    /// Time steps by which its clock was found to be ahead.
    pub drift: i32,
    /// The highest time step whose code the other system accepted.
    pub last_accepted: Option<StepNumber>,
}

/// Takes over all that was found for one account.
#[derive(Debug)]
pub struct Import {
    /// Whose authenticators they are.
    pub name: Name,
    /// Whether to add the account when there is none.
    pub add: bool,
    /// The authenticators.
    pub seeds: Vec<Seed>,
    /// Whether secrets that left the account come back; their codes that were used stay used.
    pub again: bool,
    /// Whether only to say what would happen.
    pub dry_run: bool,
    /// Who asks.
    pub origin: Origin,
}

/// What came of one authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is a factor from now on.
    Added,
    /// It is, but its secret has less than the 128 bits that RFC 4226 §4 R6 demands.
    AddedWeak,
    /// A factor of the account has this secret already; nothing was changed.
    Exists,
    /// The secret was removed from the account; it stays so, unless it is asked for again.
    Removed,
}

impl Taken {
    /// Whether it is a factor from now on.
    fn is_added(self) -> bool {
        matches!(self, Taken::Added | Taken::AddedWeak)
    }
}

/// What an account took over.
#[derive(PartialEq, Eq)]
pub struct Imported {
    /// Whether the account was added; it has no password yet.
    pub account_added: bool,
    /// What came of each authenticator, in their order.
    pub taken: Vec<Taken>,
    /// Whether backup codes come with it, because the account had none.
    pub with_backup_codes: bool,
    /// Their texts, to be shown once; none when nothing was done.
    pub backup_codes: Vec<Zeroizing<String>>,
}

impl fmt::Debug for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imported")
            .field("account_added", &self.account_added)
            .field("taken", &self.taken)
            .field("with_backup_codes", &self.with_backup_codes)
            .finish_non_exhaustive()
    }
}

/// Why an account took nothing over; `at` is which of its authenticators stood in the way, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotImported {
    /// There is no such account.
    NoAccount,
    /// The account would have more factors than it can.
    TooMany,
    /// The secret stands in documents, or has less than 80 bits.
    Secret {
        /// Which one.
        at: usize,
        /// How weak it is.
        strength: SecretStrength,
    },
    /// The secret is longer than its hash function's block: HMAC would hash it, and that hash, taken for a secret,
    /// would be the same key.
    LongSecret {
        /// Which one.
        at: usize,
    },
    /// The time step lies outside [`TIME_STEP_S`].
    TimeStep {
        /// Which one.
        at: usize,
    },
    /// Its clock is further off than two codes could tell.
    Drift {
        /// Which one.
        at: usize,
    },
    /// The highest time step that is said to be accepted is further ahead than any that could be: no code of it would
    /// work until then.
    LastAccepted {
        /// Which one.
        at: usize,
    },
}

impl Rule for Import {
    type Outcome = Result<Imported, NotImported>;

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        alloc::vec![Key::Account(self.name.clone())]
    }

    fn decide(&self, seen: &Snapshot, world: &mut World<'_>) -> Result<Decision<Self::Outcome>, Fault> {
        let refuse = |why| Ok(Decision::unchanged(Err(why)));
        if let Some(why) = self.obstacle(world) {
            return refuse(why);
        }
        let known = seen.account(&self.name).cloned();
        if known.is_none() && !self.add {
            return refuse(NotImported::NoAccount);
        }
        let account_added = known.is_none();
        let mut account = known.unwrap_or_else(|| Account::new(self.name.clone(), world.now));
        // What is pending was begun by whoever knew the password alone; the operator vouches for nothing of it.
        account.factors.retain(Factor::is_active);
        let taken = self.taken(&account, world)?;
        let fresh = taken.iter().filter(|taken| taken.is_added()).count();
        let with_backup_codes = fresh > 0 && !account.factors.iter().any(Factor::is_backup);
        if fresh > 0 && account.factors.len() + fresh + usize::from(with_backup_codes) > FACTORS_MAX {
            return refuse(NotImported::TooMany);
        }
        let mut outcome = Imported {
            account_added,
            taken,
            with_backup_codes,
            backup_codes: Vec::new(),
        };
        if self.dry_run || fresh == 0 {
            return Ok(Decision::unchanged(Ok(outcome)));
        }
        let changes = self.take_over(account, &mut outcome, world);
        Ok(Decision {
            outcome: Ok(outcome),
            changes,
        })
    }
}

impl Import {
    /// What can be said without looking at the account.
    fn obstacle(&self, world: &World<'_>) -> Option<NotImported> {
        self.seeds.iter().enumerate().find_map(|(at, seed)| {
            let strength = seed.secret.strength();
            if strength < SecretStrength::Weak {
                return Some(NotImported::Secret { at, strength });
            }
            let algorithm = match &seed.parameters {
                Parameters::Totp(totp) => totp.algorithm,
                Parameters::Hotp(hotp, _) => hotp.algorithm,
            };
            if seed.secret.expose().len() > algorithm.block_bytes() {
                return Some(NotImported::LongSecret { at });
            }
            match &seed.parameters {
                Parameters::Totp(totp) if !TIME_STEP_S.contains(&totp.time_step.seconds()) => {
                    Some(NotImported::TimeStep { at })
                }
                Parameters::Totp(totp) => {
                    let reach = world.policy.resynchronisation_steps(totp.time_step);
                    let latest = totp.step_at(world.now).0.saturating_add(reach.into());
                    if seed.drift.unsigned_abs() > reach.into() {
                        Some(NotImported::Drift { at })
                    } else {
                        let is_beyond = seed.last_accepted.is_some_and(|step| step.0 > latest);
                        is_beyond.then_some(NotImported::LastAccepted { at })
                    }
                }
                _ => None,
            }
        })
    }

    /// What would come of each authenticator: a secret that the account has, or that came before, is there already.
    fn taken(&self, account: &Account, world: &World<'_>) -> Result<Vec<Taken>, Fault> {
        let mut known = Vec::new();
        for factor in &account.factors {
            let holder = Holder {
                account: &account.name,
                factor: &factor.id,
            };
            known.extend(factor.credential.provider().secret(holder, world)?);
        }
        let is_same = |a: &SharedSecret, b: &SharedSecret| bool::from(a.canonical().ct_eq(b.canonical()));
        let judge = |(at, seed): (usize, &Seed)| {
            let before = self.seeds[..at].iter().map(|seed| &seed.secret);
            if known
                .iter()
                .chain(before)
                .any(|secret| is_same(secret, &seed.secret))
            {
                Taken::Exists
            } else if !self.again && removed::find(account, &seed.secret, world).is_some() {
                Taken::Removed
            } else if seed.secret.strength() < SecretStrength::Acceptable {
                Taken::AddedWeak
            } else {
                Taken::Added
            }
        };
        Ok(self.seeds.iter().enumerate().map(judge).collect())
    }

    fn take_over(&self, mut account: Account, outcome: &mut Imported, world: &mut World<'_>) -> Vec<Change> {
        let event = |act| Event::about(act, Ending::Success, &self.name, &self.origin);
        let mut changes = Vec::new();
        if outcome.account_added {
            changes.push(Change::Audit(event(Act::AccountAdd)));
        }
        if !account.has_second_factor() {
            // Whoever is in knew the password alone.
            end_all(&mut account, Reason::ByOperator, &self.origin, &mut changes);
        }
        let state = FactorState::Active(world.now);
        if outcome.with_backup_codes {
            let (backup, texts) = enrol::draw_backup(&self.name, state, world);
            account.factors.push(backup);
            outcome.backup_codes = texts;
        }
        for (seed, taken) in self.seeds.iter().zip(&outcome.taken) {
            if !taken.is_added() {
                continue;
            }
            let before = removed::find(&account, &seed.secret, world).cloned();
            let factor = self.factor(seed, before.as_ref(), state, world);
            changes.push(Change::Audit(event(Act::FactorImport).on(factor.id.clone())));
            account.factors.push(factor);
        }
        notify(&mut account, NoticeKind::FactorAdded, world, &mut changes);
        changes.push(put(account));
        changes
    }

    /// What was used of the secret when it was `before` in the account stays used.
    fn factor(
        &self,
        seed: &Seed,
        before: Option<&Removed>,
        state: FactorState,
        world: &mut World<'_>,
    ) -> Factor {
        let id = credential::draw_factor_id(world.entropy);
        let holder = Holder {
            account: &self.name,
            factor: &id,
        };
        let credential = match seed.parameters {
            Parameters::Totp(totp) => Credential::Totp(TotpCredential {
                drift: seed.drift,
                last_accepted: seed.last_accepted.max(before.and_then(Removed::last_accepted)),
                ..TotpCredential::seal(&seed.secret, totp, holder, world)
            }),
            Parameters::Hotp(hotp, next) => {
                let next = next.max(Counter(before.map_or(0, Removed::next)));
                Credential::Hotp(HotpCredential::seal(&seed.secret, hotp, next, holder, world))
            }
        };
        let label = match bounded(&seed.label, LABEL_CHARS_MAX) {
            empty if empty.is_empty() => String::from("Authenticator"),
            label => label,
        };
        Factor {
            id,
            label,
            created_at: world.now,
            state,
            credential,
        }
    }
}
