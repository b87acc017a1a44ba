//! Refusals, and how each is answered in every language alike (docs/protocol/step-up.md).
//!
//! Knows: statuses, the challenge of RFC 9470 and the bodies. Must never know: what was decided upon.

use std::fmt;

use countersign_core::elevation::{Demand, Level};
use serde::Serialize;
use serde_json::Value;

use super::posture::StepUpStatus;
use super::token::Flaw;

/// How long a proof lasts where an elevation is demanded, as told in `max_age`.
const ELEVATION_S: u32 = 900;

/// Why somebody is not let through.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// Nobody is signed in. 401.
    SignInDue,
    /// The token is worth nothing. 401.
    Worthless(Flaw),
    /// A claim or a group is missing. 403.
    MissingClaim {
        /// Its name.
        name: String,
        /// The value it must have.
        value: Value,
    },
    /// No elevation was ever given that would do. 403, or 401 by [`StepUpStatus`].
    ElevationRequired(Demand),
    /// One was, and it or the proof is too old now. 403, or 401 by [`StepUpStatus`].
    ElevationExpired(Demand),
    /// Nothing can be decided. 503.
    Undecided(Fault),
}

/// Why nothing can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Countersign can't be reached, is not the one that is trusted, or can't decide itself.
    Unreachable,
    /// Countersign does not know this application by that name and secret.
    ApplicationUnknown,
    /// What was answered is none of Countersign's answers.
    Unexpected,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Unreachable => "Countersign can't be reached, or is not the server that is trusted",
            Fault::ApplicationUnknown => {
                "Countersign does not know this application: give it the name and secret of `countersign app add`"
            }
            Fault::Unexpected => {
                "the answer is not as expected: is the address Countersign's, and the issuer its `public_url`?"
            }
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::SignInDue => f.write_str("nobody is signed in"),
            Refused::Worthless(flaw) => write!(f, "the token is worth nothing: {flaw}"),
            Refused::MissingClaim { name, .. } => {
                write!(f, "the claim {name} is missing or of another value")
            }
            Refused::ElevationRequired(_) => f.write_str("an elevation is due"),
            Refused::ElevationExpired(_) => f.write_str("the elevation is over"),
            Refused::Undecided(fault) => write!(f, "nothing can be decided: {fault}"),
        }
    }
}

impl std::error::Error for Refused {}

/// A refusal as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `WWW-Authenticate`, where there is one.
    pub www_authenticate: Option<String>,
    /// The body, JSON.
    pub body: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_up_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_claim: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_value: Option<&'a Value>,
}

impl<'a> Body<'a> {
    fn plain(error: &'a str) -> Body<'a> {
        Body {
            error,
            code: None,
            step_up_url: None,
            required_claim: None,
            required_value: None,
        }
    }
}

impl Refused {
    /// The refusal as it goes out.
    pub fn answer(&self, step_up_url: &str, status: StepUpStatus) -> Answer {
        let unauthorized = |challenge: &str| {
            (
                401,
                Some(challenge.to_owned()),
                Body::plain("authentication required"),
            )
        };
        let step_up = |demand, error, code| {
            let body = Body {
                code: Some(code),
                step_up_url: Some(step_up_url),
                ..Body::plain(error)
            };
            let status = match status {
                StepUpStatus::Forbidden => 403,
                StepUpStatus::Unauthorized => 401,
            };
            (status, Some(challenge(demand, error)), body)
        };
        let (status, www_authenticate, body) = match self {
            Refused::SignInDue => unauthorized("Bearer"),
            Refused::Worthless(_) => unauthorized("Bearer error=\"invalid_token\""),
            Refused::MissingClaim { name, value } => {
                let body = Body {
                    code: Some("MISSING_CLAIM"),
                    required_claim: Some(name),
                    required_value: Some(value),
                    ..Body::plain("insufficient privileges")
                };
                (403, None, body)
            }
            Refused::ElevationRequired(demand) => {
                step_up(demand, "elevated session required", "ELEVATION_REQUIRED")
            }
            Refused::ElevationExpired(demand) => {
                step_up(demand, "elevated session expired", "ELEVATION_EXPIRED")
            }
            Refused::Undecided(_) => (503, None, Body::plain("temporarily unavailable")),
        };
        Answer {
            status,
            www_authenticate,
            body: serde_json::to_string(&body).expect("texts and JSON values can be written"),
        }
    }
}

/// The challenge of RFC 9470 §3.
fn challenge(demand: &Demand, error: &str) -> String {
    let (level, age_s_max) = match demand.elevated {
        true => (
            Some(demand.level.map_or(Level::Two, |level| level.max(Level::Two))),
            Some(demand.age_s_max.unwrap_or(ELEVATION_S)),
        ),
        false => (demand.level, demand.age_s_max),
    };
    let mut challenge =
        format!("Bearer error=\"insufficient_user_authentication\", error_description=\"{error}\"");
    if let Some(level) = level {
        challenge += &format!(", acr_values=\"{level}\"");
    }
    if let Some(age_s_max) = age_s_max {
        challenge += &format!(", max_age=\"{age_s_max}\"");
    }
    challenge
}
