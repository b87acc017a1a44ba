//! What a person was asked and has not answered for long: an application's action, a session's wish to be stepped up.
//!
//! Knows: the fields of both records. Must never know: who may answer; see `command::approval` and `command::number`.

use alloc::string::String;

use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::id::Digest;
use crate::name::Name;

/// An action that an application asks a person to approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Which application asks; nobody else is told the answer.
    pub application: Name,
    /// Who is asked.
    pub account: Name,
    /// What is to be approved.
    pub action: Action,
    /// The question that a token answers (RFC 6287).
    pub question: String,
    /// Whether a one-time code, which covers no action, does as well.
    pub totp_fallback: bool,
    /// When it was asked.
    pub created_at: UnixSeconds,
    /// Until when, and without, it may be answered.
    pub answer_until: UnixSeconds,
    /// When it ends by itself, answered or not.
    pub expires_at: UnixSeconds,
    /// Wrong codes so far.
    pub wrong_codes: u8,
    /// What was answered.
    pub state: ApprovalState,
}

/// What a person answered to an [`Approval`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nothing yet.
    Open,
    /// Yes.
    Approved {
        /// When.
        at: UnixSeconds,
        /// Whether the code was a response that covers the very action.
        bound: bool,
    },
    /// No, or too many wrong codes.
    Denied {
        /// When.
        at: UnixSeconds,
    },
}

/// A session's wish to be stepped up by another session of the same person, on which its number is typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberRequest {
    /// Whose session it is.
    pub account: Name,
    /// The session that asks.
    pub session: Digest,
    /// Where it asks from.
    pub network: String,
    /// What its client calls itself.
    pub agent: String,
    /// What it is for, in the asker's words.
    pub purpose: String,
    /// When it asked.
    pub created_at: UnixSeconds,
    /// Until when, and without, it may be answered.
    pub answer_until: UnixSeconds,
    /// When it ends by itself, answered or not.
    pub expires_at: UnixSeconds,
    /// Wrong numbers so far.
    pub wrong_numbers: u8,
    /// What was answered.
    pub state: NumberState,
}

/// What was answered to a [`NumberRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberState {
    /// Nothing yet.
    Open,
    /// The number was typed.
    Approved {
        /// In which session.
        by: Digest,
        /// When that session's person last proved a factor.
        authenticated_at: UnixSeconds,
    },
    /// No, or too many wrong numbers.
    Denied,
}
