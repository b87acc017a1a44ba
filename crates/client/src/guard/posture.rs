//! What a route demands of whoever calls it.
//!
//! Knows: claims, groups and a [`Demand`], and the order in which they are looked at. Must never know: routes, or how a
//! refusal is written.

use countersign_core::elevation::{Demand, ElevationVerdict, judge};
use countersign_core::time::UnixSeconds;
use serde_json::Value;

use super::Refused;
use super::person::Person;

/// The status of an operation whose demand is not met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepUpStatus {
    /// 403, which clients of older systems know.
    #[default]
    Forbidden,
    /// 401, as RFC 9470 §3 has it.
    Unauthorized,
}

/// What a route demands. There is none without a session: a route for everybody has no posture, and says so by its
/// name.
///
/// ```
/// use countersign_client::guard::Posture;
/// use countersign_core::elevation::{Demand, Level};
///
/// let publishers = Posture::elevated().claim("publisher", true);
/// let large_payments = Posture::signed_in().demand(Demand::fresh(60)).group("treasury");
/// # assert_ne!(publishers, large_payments);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Posture {
    groups: Vec<String>,
    claims: Vec<(String, Value)>,
    demand: Demand,
    step_up_status: Option<StepUpStatus>,
}

impl Posture {
    /// A session, and nothing else.
    pub fn signed_in() -> Posture {
        Posture {
            groups: Vec::new(),
            claims: Vec::new(),
            demand: Demand::default(),
            step_up_status: None,
        }
    }

    /// A session with an elevation that is on.
    pub fn elevated() -> Posture {
        Posture::signed_in().demand(Demand::ELEVATED)
    }

    /// A session with a code no older than so many seconds, even while an elevation is on.
    pub fn fresh(age_s_max: u32) -> Posture {
        Posture::signed_in().demand(Demand::fresh(age_s_max))
    }

    /// This demand too.
    pub fn demand(self, demand: Demand) -> Posture {
        Posture {
            demand: self.demand.and(demand),
            ..self
        }
    }

    /// A claim of this name too, of the same JSON type and value: `"true"` and 1 are not `true`.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Posture {
        self.claims.push((name.into(), value.into()));
        self
    }

    /// Membership of this group too.
    pub fn group(mut self, name: impl Into<String>) -> Posture {
        self.groups.push(name.into());
        self
    }

    /// The status of its refusals, in place of the guard's.
    pub fn step_up_status(self, status: StepUpStatus) -> Posture {
        Posture {
            step_up_status: Some(status),
            ..self
        }
    }

    pub(crate) fn status(&self) -> Option<StepUpStatus> {
        self.step_up_status
    }

    /// Judges somebody who is signed in: claims and groups first, because no code would bring those.
    pub(crate) fn judge(&self, person: &Person, now: UnixSeconds) -> Result<(), Refused> {
        for (name, value) in &self.claims {
            has_claim(person, name, value)?;
        }
        for group in &self.groups {
            if !person.groups().contains(group) {
                return Err(Refused::MissingClaim {
                    name: "groups".to_owned(),
                    value: Value::from(group.as_str()),
                });
            }
        }
        meets(person, &self.demand, now)
    }
}

/// Whether somebody has a claim of the same type and value.
pub(crate) fn has_claim(person: &Person, name: &str, value: &Value) -> Result<(), Refused> {
    match person.claim(name) {
        Some(held) if held == value => Ok(()),
        _ => Err(Refused::MissingClaim {
            name: name.to_owned(),
            value: value.clone(),
        }),
    }
}

/// Whether somebody's standing meets a demand.
pub(crate) fn meets(person: &Person, demand: &Demand, now: UnixSeconds) -> Result<(), Refused> {
    match judge(person.standing(), demand, now) {
        ElevationVerdict::Met => Ok(()),
        ElevationVerdict::Required => Err(Refused::ElevationRequired(*demand)),
        ElevationVerdict::Expired => Err(Refused::ElevationExpired(*demand)),
    }
}
