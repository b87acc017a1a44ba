//! Tokens as a client holds them: wiped when they are dropped, printed by nothing.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A sign-in that owes a code. Whoever holds it may answer it, for five minutes.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Challenge(Zeroizing<String>);

/// The token of a session: what a person is known by until it ends.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Session(Zeroizing<String>);

/// A token that says of a session that a code was shown for it of late, to be sent to whoever guards what matters.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct ElevatedToken(Zeroizing<String>);

/// A backup code, as its owner is to keep it.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct BackupCode(Zeroizing<String>);

impl BackupCode {
    /// The code itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Challenge {
    /// The token itself, to be handed on.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Session {
    /// A session that was opened elsewhere.
    pub fn from_token(token: String) -> Session {
        Session(Zeroizing::new(token))
    }

    /// The token itself, for a `Bearer` header.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl ElevatedToken {
    /// The token itself, for a `Bearer` header.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ElevatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ElevatedToken(…)")
    }
}

impl fmt::Debug for BackupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupCode(…)")
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(…)")
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(…)")
    }
}
