//! The record of a token for programs.
//!
//! Knows: what is kept of one, and what whoever shows it has proven. Must never know: its text, of which the key is the
//! digest. Read next: [`command::api_token`](crate::command::api_token) for how one is made and ended.

use alloc::string::String;
use alloc::vec::Vec;

use countersign_core::elevation::{Level, Standing};
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::claim::Claims;
use crate::name::Name;
use crate::session::is_open;

/// A token that programs show in their owner's name, to protected hosts and to applications that ask about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// In whose name.
    pub account: Name,
    /// What its owner calls it.
    pub label: String,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// When it ends by itself.
    pub expires_at: UnixSeconds,
    /// Last use as stored; newer use may be in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<UnixSeconds>,
    /// The protected hosts it is good at, in lower case; at all of them, and for applications that ask, when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The account's groups: a copy, so that whoever checks a token reads one record.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The account's own claims: a copy, like the groups.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
}

impl ApiToken {
    /// What whoever shows one has proven: that they hold it. Nobody gave a proof with it, so a demand for a young one
    /// is never met, and nothing elevates it.
    pub const STANDING: Standing = Standing {
        level: Level::One,
        // What is dated after now counts as never.
        authenticated_at: UnixSeconds(u64::MAX),
        elevation: None,
    };

    /// Whether it is worth something at a protected host, or to an application that asks about it, at a moment.
    pub fn is_good(&self, host: Option<&str>, now: UnixSeconds) -> bool {
        let is_for = match host {
            _ if self.hosts.is_empty() => true,
            Some(host) => self.hosts.iter().any(|known| known == host),
            None => false,
        };
        is_for && is_open(self.created_at, self.expires_at, now)
    }
}
