//! Tokens for programs, as an operator makes them for an account's owner, lists and revokes them.
//!
//! Knows: what an operator may do with them. Must never know: where one is shown.

use countersign_auth::command::api_token::{Add, NotAdded, Revoke, Revoker};
use countersign_auth::id::Digest;
use countersign_auth::record::ApiToken;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::api_tokens::wish;
use super::super::names;
use super::authority::{By, Stop};
use super::{Operator, Reply, malformed, missing, refused};

/// A token for programs, without what opens anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiTokenView {
    /// Its short identifier.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When it ends by itself.
    pub expires_at: u64,
    /// When it was shown last; none when it never was.
    pub last_used: Option<u64>,
    /// The protected hosts it is good at; all of them when empty.
    pub hosts: Vec<String>,
}

impl ApiTokenView {
    fn of(id: Digest, token: ApiToken) -> ApiTokenView {
        ApiTokenView {
            id: id.short(),
            label: token.label,
            created_at: token.created_at.0,
            expires_at: token.expires_at.0,
            last_used: token.last_used.map(|at| at.0),
            hosts: token.hosts,
        }
    }
}

/// A token for programs that was just made; shown once.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApiTokenMade {
    /// The token.
    pub token: Zeroizing<String>,
    /// What is kept of it.
    #[serde(flatten)]
    pub kept: ApiTokenView,
}

impl std::fmt::Debug for ApiTokenMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiTokenMade({})", self.kept.id)
    }
}

impl Operator {
    pub(super) async fn add_api_token(
        &self,
        name: &str,
        (label, days, hosts): (&str, u32, &[String]),
        by: &By,
    ) -> Result<Reply, Stop> {
        let name = match names::parse(name) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let wish = match wish(label, days, hosts.iter().map(String::as_str)) {
            Ok(wish) => wish,
            Err(why) => return Ok(malformed(why)),
        };
        let rule = Add {
            name: name.clone(),
            wish,
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            Ok(made) => Reply::ApiToken(ApiTokenMade {
                token: Zeroizing::new(made.token.expose().to_owned()),
                kept: ApiTokenView::of(made.id, made.kept),
            }),
            Err(NotAdded::Disabled) => refused(format!("{name} is disabled; enable the account first")),
            Err(NotAdded::TooMany) => refused(format!(
                "{name} has as many tokens as an account can; revoke one first"
            )),
            Err(_) => missing(format!("there is no account {name}")),
        })
    }

    pub(super) async fn list_api_tokens(&self, name: &str) -> Result<Reply, Stop> {
        let name = match names::parse(name) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        Ok(match self.service.api_tokens(&name).await? {
            None => missing(format!("there is no account {name}")),
            Some(tokens) => Reply::ApiTokens {
                tokens: tokens
                    .into_iter()
                    .map(|(id, token)| ApiTokenView::of(id, token))
                    .collect(),
            },
        })
    }

    pub(super) async fn revoke_api_token(&self, name: &str, id: String, by: &By) -> Result<Reply, Stop> {
        let name = match names::parse(name) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let rule = Revoke {
            name: name.clone(),
            short: id.clone(),
            revoker: Revoker::Operator,
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            true => Reply::Done,
            false => missing(format!(
                "{name} has no token {id}; `countersign user token list {name}` shows those it has"
            )),
        })
    }
}
