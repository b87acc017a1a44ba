//! The API client: what applications and hosts link against to sign a person in, and, by the feature `guard`, to let
//! nobody else do what matters.
//!
//! Knows: the sign-in of the HTTP door, and that a server is trusted by its own authority and by nothing else.
//! Must never know: rules; what a server refuses, it refuses without a reason. Read [`Client`] first; for the other
//! half, `guard`.
//!
//! Nothing is sent twice: a request that was sent may have used up its code.

#![forbid(unsafe_code)]

use std::fmt;

#[cfg(feature = "guard")]
pub mod guard;
mod secret;
mod wire;

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

pub use secret::{BackupCode, Challenge, ElevatedToken, Session};
pub use wire::{NoServer, Server};

/// Asks one server.
///
/// # Security
/// TLS is always verified, against the authority that was given when the server was named.
#[derive(Clone, Debug)]
pub struct Client {
    server: Server,
}

/// Where a right password leads.
#[derive(Debug)]
#[must_use]
pub enum Onward {
    /// A code is due; [`Client::answer`] takes it.
    CodeDue(Challenge),
    /// Nothing else is due.
    SignedIn(Session),
}

/// What a session's owner is shown first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Dashboard {
    /// The mapped name.
    pub username: String,
    /// The account's counters.
    pub data: Counters,
}

/// The counters of an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Counters {
    /// Complete sign-ins, ever.
    pub total_logins: u64,
    /// Failures counted against it, ever.
    pub failed_attempts: u64,
    /// Its sessions that are alive.
    pub active_sessions: u64,
}

/// Why there is no answer to work with. Only [`Error::Refused`] says anything about what was shown.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What was shown is not accepted: name and password, a code, or a session. The server says no more.
    Refused,
    /// The challenge is answered, over, or dead after too many wrong codes: sign in anew.
    ChallengeOver,
    /// Too many failures; nothing was looked at.
    Throttled {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// A session of one factor may do nothing but enrol a second one.
    EnrolmentDue,
    /// What was asked can't be read: the problem's code, as `bad_username`.
    Malformed(String),
    /// The server can't decide now: the problem's code, as `busy` or `clock`.
    Undecided(String),
    /// The server can't be reached, or is not the one that is trusted.
    Unreachable(std::io::Error),
    /// The answer is none that Countersign gives.
    Unexpected(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused => f.write_str("the server does not accept it"),
            Error::ChallengeOver => f.write_str("that sign-in is over; begin again"),
            Error::Throttled { retry_after_s } => {
                write!(f, "too many failures; try again in {retry_after_s} s")
            }
            Error::EnrolmentDue => f.write_str("a second factor must be enrolled before anything else"),
            Error::Malformed(code) => write!(f, "the server can't read what was asked ({code})"),
            Error::Undecided(code) => write!(f, "the server can't decide now ({code}); try again soon"),
            Error::Unreachable(error) => write!(f, "the server can't be reached or is not trusted: {error}"),
            Error::Unexpected(what) => write!(f, "the answer is none of Countersign's: {what}"),
        }
    }
}

impl std::error::Error for Error {}

/// A challenge that was answered.
#[derive(Debug)]
#[must_use]
pub struct Answered {
    /// The session that is open.
    pub session: Session,
    /// The backup code in place of the one that was just used up, to be shown to its owner now: it is never shown
    /// again.
    pub replacement_backup_code: Option<BackupCode>,
}

/// A session for which a code was shown again.
#[derive(Debug, Deserialize)]
#[must_use]
pub struct SteppedUp {
    /// What guards of applications are shown.
    pub token: ElevatedToken,
    /// The session from now on; the token that asked is good for ten seconds more.
    #[serde(rename = "session_token")]
    pub session: Session,
    /// How long the elevation lasts, in seconds.
    #[serde(rename = "expires_in")]
    pub elevated_s: u64,
}

/// What a sign-in answers; of the two tokens one is there.
#[derive(Deserialize)]
struct Granted {
    challenge_token: Option<Challenge>,
    session_token: Option<Session>,
    replacement_backup_code: Option<BackupCode>,
}

impl Client {
    /// Asks this server.
    pub fn new(server: Server) -> Client {
        Client { server }
    }

    /// First factor: name and password.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn sign_in(&self, username: &str, password: &str) -> Result<Onward, Error> {
        let body = json!({ "username": username, "password": password });
        let granted: Granted = self.post("/api/auth/login", None, body).await?;
        match (granted.session_token, granted.challenge_token) {
            (Some(session), _) => Ok(Onward::SignedIn(session)),
            (None, Some(challenge)) => Ok(Onward::CodeDue(challenge)),
            (None, None) => Err(Error::Unexpected("a sign-in without a token")),
        }
    }

    /// Second factor: a one-time code or a backup code. A refused code leaves the challenge to be answered again,
    /// five times in all.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn answer(&self, challenge: &Challenge, code: &str) -> Result<Answered, Error> {
        let body = json!({ "challenge_token": challenge.expose(), "totp_code": code });
        let granted: Granted = self.post("/api/auth/verify", None, body).await?;
        let session = granted.session_token;
        Ok(Answered {
            session: session.ok_or(Error::Unexpected("a verification without a session"))?,
            replacement_backup_code: granted.replacement_backup_code,
        })
    }

    /// Proves it again, for what matters: a one-time code or a backup code, and what it is for.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Refused`] when the code is wrong or the session is over.
    pub async fn step_up(&self, session: &Session, code: &str, purpose: &str) -> Result<SteppedUp, Error> {
        let body = json!({ "code": code, "purpose": purpose });
        self.post("/auth/totp/step-up", Some(session), body).await
    }

    /// What the session's owner is shown first.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Refused`] when the session is over.
    pub async fn dashboard(&self, session: &Session) -> Result<Dashboard, Error> {
        self.ask(Method::GET, "/api/dashboard", Some(session), None).await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Refused`] when it is over already.
    pub async fn sign_out(&self, session: Session) -> Result<(), Error> {
        let _: serde_json::Value = self.post("/api/auth/logout", Some(&session), json!({})).await?;
        Ok(())
    }

    async fn post<T: for<'a> Deserialize<'a>>(
        &self,
        path: &'static str,
        session: Option<&Session>,
        body: serde_json::Value,
    ) -> Result<T, Error> {
        self.ask(Method::POST, path, session, Some(body)).await
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        method: Method,
        path: &'static str,
        session: Option<&Session>,
        body: Option<serde_json::Value>,
    ) -> Result<T, Error> {
        let token = session.map(Session::expose);
        let answer = self.server.ask(method, path, token, body).await?;
        if answer.status == StatusCode::OK {
            return serde_json::from_slice(&answer.body)
                .map_err(|_| Error::Unexpected("a body of another shape"));
        }
        Err(refusal(&answer))
    }
}

/// What an answer other than 200 means.
fn refusal(answer: &wire::Answer) -> Error {
    #[derive(Deserialize)]
    struct Problem {
        #[serde(default)]
        code: String,
    }
    let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    let code = problem.map(|problem| problem.code).unwrap_or_default();
    match answer.status {
        StatusCode::UNAUTHORIZED if code == "no_challenge" => Error::ChallengeOver,
        StatusCode::UNAUTHORIZED => Error::Refused,
        StatusCode::FORBIDDEN if code == "second_factor_enrolment_required" => Error::EnrolmentDue,
        StatusCode::TOO_MANY_REQUESTS => Error::Throttled {
            retry_after_s: answer.retry_after_s.unwrap_or(1),
        },
        // The server's own limit of time: what was asked may have been done all the same.
        StatusCode::REQUEST_TIMEOUT => Error::Undecided(code),
        status if status.is_server_error() => Error::Undecided(code),
        status if status.is_client_error() => Error::Malformed(code),
        _ => Error::Unexpected("a redirect; none is followed"),
    }
}
