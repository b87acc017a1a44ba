//! Secrets that left an account: their codes stay used, and no import brings them back unasked.
//!
//! Knows: a keyed hash of each secret, and how far its codes were used. Must never know: the secrets themselves, or
//! why they left.

use alloc::string::String;

use countersign_core::otp::SharedSecret;
use countersign_core::time::StepNumber;
use serde::{Deserialize, Serialize};

use super::{Factor, Holder};
use crate::id::hex;
use crate::name::Name;
use crate::policy::REMOVED_MAX;
use crate::record::Account;
use crate::rule::World;
use crate::seal::KeyRing;

/// A secret that left an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Keyed hash of the secret, in hexadecimal.
    secret: String,
    /// The lowest counter or time step whose code was not used up; both count the same codes (RFC 6238 §4.2).
    next: u64,
}

impl Removed {
    /// The lowest counter whose code was not used up.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The highest time step whose code was accepted.
    pub fn last_accepted(&self) -> Option<StepNumber> {
        self.next.checked_sub(1).map(StepNumber)
    }

    /// Nothing for a factor that keeps no secret, never counted, or can't be opened: that its key is lost must keep
    /// nobody from removing it.
    fn of(factor: &Factor, account: &Name, world: &World<'_>) -> Option<Removed> {
        let provider = factor.credential.provider();
        let next = provider.next()?;
        let holder = Holder {
            account,
            factor: &factor.id,
        };
        let secret = provider.secret(holder, world).ok().flatten()?;
        factor.is_active().then(|| Removed {
            secret: tag(&secret, account, world.keys),
            next,
        })
    }
}

fn tag(secret: &SharedSecret, account: &Name, keys: &KeyRing) -> String {
    let parts = [account.as_str().as_bytes(), secret.canonical()];
    hex(&keys.index("removed secret", &parts))
}

/// What an account remembers of a secret that left it.
pub fn find<'a>(account: &'a Account, secret: &SharedSecret, world: &World<'_>) -> Option<&'a Removed> {
    let tag = tag(secret, &account.name, world.keys);
    account.removed.iter().find(|removed| removed.secret == tag)
}

/// Takes factors from an account and remembers their secrets; beyond [`REMOVED_MAX`] the oldest is forgotten.
pub fn part_with(account: &mut Account, is_leaving: impl Fn(&Factor) -> bool, world: &World<'_>) {
    for factor in account.factors.extract_if(.., |factor| is_leaving(factor)) {
        let Some(removed) = Removed::of(&factor, &account.name, world) else {
            continue;
        };
        account.removed.retain(|known| known.secret != removed.secret);
        account.removed.push(removed);
    }
    let surplus = account.removed.len().saturating_sub(REMOVED_MAX);
    account.removed.drain(..surplus);
}
