//! What leaves the house by itself: mail over SMTP, text messages over the operator's webhook.
//!
//! Knows: the port, how a message is worded, and how it is handed to somebody else's server. Must never know: accounts,
//! rules, or why something is sent. A message may hold a code, so nothing here prints one, and no error repeats what
//! was sent. Delivery is at least once: whoever receives a message twice sees one id.
//!
//! Read next: [`smtp`] and [`webhook`] for the two couriers, [`templates`] for the words.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

pub mod smtp;
pub mod templates;
pub mod webhook;

/// Longest time one attempt may take.
pub const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(30);

/// One message to one person.
///
/// # Security
/// Its words may hold a code; Debug prints its id alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The same for every attempt, of letters, digits, hyphens and dots.
    pub id: String,
    /// Address or number.
    pub to: String,
    /// What it is about; one line. A text message has none.
    pub subject: String,
    /// What it says.
    pub text: Zeroizing<String>,
    /// When it was written.
    pub at: UnixSeconds,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", self.id)
    }
}

/// Why a message was not delivered.
///
/// # Security
/// The causes go into the log, so a courier puts in none of what it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// It may work later.
    Later(String),
    /// It never will: it was refused for what it is.
    Never(String),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undelivered::Later(cause) => write!(f, "not delivered yet: {cause}"),
            Undelivered::Never(cause) => write!(f, "refused for good: {cause}"),
        }
    }
}

/// A delivery under way.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send + 'a>>;

/// Hands messages to somebody else's server.
pub trait Courier: Send + Sync {
    /// Hands one message over, once; at most [`ATTEMPT_TIME_MAX`] long.
    fn deliver<'a>(&'a self, message: &'a Message) -> Delivering<'a>;
}

/// Whether a host is this machine, to which plain text is no disclosure.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}
