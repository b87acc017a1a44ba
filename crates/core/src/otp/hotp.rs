//! Counter-based one-time passwords (RFC 4226).
//!
//! Knows: the look-ahead window and resynchronisation. Must never know: where the counter is kept; whoever
//! keeps it stores the value that the verdict names, in the same commit in which the code is accepted.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::keyed::Keyed;
use super::{Algorithm, Code, Digits, SharedSecret};

/// The moving factor C (RFC 4226 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct Counter(pub u64);

/// The parameters of a counter-based password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hotp {
    /// Hash function; RFC 4226 knows SHA-1 alone.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: Digits,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum HotpVerdict {
    /// Right; the next expected counter is one more than this.
    Accepted {
        /// The counter whose code it is.
        counter: Counter,
    },
    /// Not the code of any counter looked at.
    Wrong,
}

impl Hotp {
    /// The code of a counter.
    #[must_use]
    pub fn generate(&self, secret: &SharedSecret, counter: Counter) -> Code {
        Code::from_value(
            Keyed::new(self.algorithm, secret).value(counter.0, self.digits),
            self.digits,
        )
    }

    /// Looks for a code from the next expected counter on, `look_ahead` counters further (RFC 4226 §7.4).
    ///
    /// # Security
    /// All counters are computed and compared in constant time, whatever matches. Where several match, the
    /// highest counts, so that equal codes of near counters are used up together. A counter below `next` is
    /// never tried, so each code is accepted once if the caller stores the counter with the acceptance.
    pub fn verify(&self, secret: &SharedSecret, code: &Code, next: Counter, look_ahead: u8) -> HotpVerdict {
        if code.digits() != self.digits {
            return HotpVerdict::Wrong;
        }
        let keyed = Keyed::new(self.algorithm, secret);
        highest_match(next, u16::from(look_ahead), |counter| {
            Some(keyed.value(counter, self.digits).ct_eq(&code.value()))
        })
    }

    /// Finds the counter by two consecutive codes (RFC 4226 §7.4), so that a wider search is no easier to
    /// guess. The verdict names the counter of the second code.
    pub fn resynchronise(
        &self,
        secret: &SharedSecret,
        codes: (&Code, &Code),
        next: Counter,
        look_ahead: u16,
    ) -> HotpVerdict {
        if codes.0.digits() != self.digits || codes.1.digits() != self.digits {
            return HotpVerdict::Wrong;
        }
        let keyed = Keyed::new(self.algorithm, secret);
        let first = highest_match(next, look_ahead, |counter| {
            let following = counter.checked_add(1)?;
            let first_equal = keyed.value(counter, self.digits).ct_eq(&codes.0.value());
            Some(first_equal & keyed.value(following, self.digits).ct_eq(&codes.1.value()))
        });
        match first {
            HotpVerdict::Accepted { counter } => HotpVerdict::Accepted {
                counter: Counter(counter.0 + 1),
            },
            HotpVerdict::Wrong => HotpVerdict::Wrong,
        }
    }
}

/// The highest of the counters from `next` on that `compare` finds equal. Asks about all of them; one past
/// the end of counting, or about which `compare` can say nothing, is left out.
fn highest_match(next: Counter, look_ahead: u16, compare: impl Fn(u64) -> Option<Choice>) -> HotpVerdict {
    let (mut found, mut highest) = (Choice::from(0), 0u64);
    for counter in (0..=u64::from(look_ahead)).filter_map(|ahead| next.0.checked_add(ahead)) {
        let Some(equal) = compare(counter) else { continue };
        highest.conditional_assign(&counter, equal);
        found |= equal;
    }
    if bool::from(found) {
        HotpVerdict::Accepted {
            counter: Counter(highest),
        }
    } else {
        HotpVerdict::Wrong
    }
}
