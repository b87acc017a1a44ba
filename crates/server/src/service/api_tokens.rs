//! Tokens for programs as the service answers for them: made, listed, revoked, and found alive by what was shown.
//!
//! Knows: the bounds of a wish, and what is kept in memory of tokens between commits. Must never know: headers, or for
//! which of Countersign's own routes a token would be shown: no session is ever found by one.
//!
//! Read next: [`command::api_token`](countersign_auth::command::api_token) for the rules.

use std::fmt;
use std::sync::Arc;

use countersign_auth::command::api_token::{Made, Make, Revoke, Revoker, Wish};
use countersign_auth::command::bounded;
use countersign_auth::event::{Act, Origin};
use countersign_auth::id::{ApiTokenText, Digest};
use countersign_auth::name::Name;
use countersign_auth::policy::{API_TOKEN_DAYS_MAX, API_TOKEN_HOSTS_MAX, LABEL_CHARS_MAX};
use countersign_auth::record::{ApiToken, Key, Record};
use countersign_core::time::UnixSeconds;

use super::kept::Kept;
use super::rules::host_name;
use super::sessions::{ACTIVITY_MAX, KEPT_FOR, KEPT_MAX};
use super::{Failure, Granted, Live, Service, asker, lock};
use crate::store::Store;

/// Tokens that were read a moment ago.
pub(super) type KeptTokens = Kept<Digest, Arc<ApiToken>>;

/// No token was read yet.
pub(super) fn none_kept() -> KeptTokens {
    Kept::new(KEPT_FOR, KEPT_MAX)
}

/// A token for programs that was found alive.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveToken {
    /// Its identifier.
    pub id: Digest,
    /// The token as stored.
    pub token: Arc<ApiToken>,
}

/// Why a token can't be as it was wished for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unwished {
    /// It has no name.
    NoLabel,
    /// It would live for none or too many days.
    Days,
    /// It would be limited to too many hosts.
    TooManyHosts,
    /// One of the hosts has no name of a host.
    Host,
}

impl Unwished {
    /// The member it lies in.
    pub fn member(&self) -> &'static str {
        match self {
            Unwished::NoLabel => "label",
            Unwished::Days => "expires_in_days",
            Unwished::TooManyHosts | Unwished::Host => "hosts",
        }
    }
}

impl fmt::Display for Unwished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwished::NoLabel => f.write_str("a token has a name, so that you can tell it from others"),
            Unwished::Days => write!(f, "a token lives 1 to {API_TOKEN_DAYS_MAX} days"),
            Unwished::TooManyHosts => write!(f, "a token is limited to at most {API_TOKEN_HOSTS_MAX} hosts"),
            Unwished::Host => f.write_str("a host is written as app.example.org, without scheme and port"),
        }
    }
}

/// Holds a wish for a token to its bounds; hosts are told apart by their lower case.
///
/// # Errors
/// [`Unwished`].
pub fn wish<'a>(label: &str, days: u32, hosts: impl IntoIterator<Item = &'a str>) -> Result<Wish, Unwished> {
    let label = bounded(label, LABEL_CHARS_MAX);
    if label.is_empty() {
        return Err(Unwished::NoLabel);
    }
    if !(1..=API_TOKEN_DAYS_MAX).contains(&days) {
        return Err(Unwished::Days);
    }
    let mut limited = Vec::new();
    for host in hosts {
        let name = host_name(host).filter(|name| name.len() == host.len());
        let name = name.ok_or(Unwished::Host)?;
        if limited.contains(&name) {
            continue;
        }
        if limited.len() >= API_TOKEN_HOSTS_MAX {
            return Err(Unwished::TooManyHosts);
        }
        limited.push(name);
    }
    Ok(Wish {
        label,
        lives_s: u64::from(days) * 86_400,
        hosts: limited,
    })
}

impl Service {
    /// Makes a token at its owner's wish.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn make_api_token(
        &self,
        live: &Live,
        wish: Wish,
        code: &str,
        origin: &Origin,
    ) -> Result<Granted<Made>, Failure> {
        let asker = asker(live, code, origin);
        let rule = Make { asker, wish };
        self.submit_own(Act::ApiTokenMake, rule, origin).await
    }

    /// The tokens of an account that are not over, the newest in front; none where there is no account.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn api_tokens(&self, name: &Name) -> Result<Option<Vec<(Digest, ApiToken)>>, Failure> {
        let (now, name) = (self.pulse.now()?, name.clone());
        let read = self.read(move |store| read_tokens(store, name, now)).await?;
        let used = lock(&self.tokens_used);
        let latest = |(id, mut token): (Digest, ApiToken)| {
            token.last_used = token.last_used.max(used.get(&id).copied());
            (id, token)
        };
        Ok(read.map(|tokens| tokens.into_iter().map(latest).collect()))
    }

    /// Revokes one of the owner's tokens by its short identifier; false when there is none.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn revoke_api_token(&self, live: &Live, short: &str, origin: &Origin) -> Result<bool, Failure> {
        self.submit(Revoke {
            name: live.session.account.clone(),
            short: short.to_owned(),
            revoker: Revoker::Owner(live.id),
            origin: origin.clone(),
        })
        .await
    }

    /// The token that was shown at a protected host, or that an application asks about, if it is worth something
    /// there; being asked is use.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn api_token_at(&self, host: Option<&str>, shown: &str) -> Result<Option<LiveToken>, Failure> {
        let now = self.pulse.now()?;
        let Some(id) = ApiTokenText::presented(shown) else {
            return Ok(None);
        };
        let kept = self.kept_tokens.find(&id, self.clock.clock().monotonic());
        let token = match kept {
            Some(kept) => Some(kept),
            None => self.read_api_token(id).await?,
        };
        let Some(token) = token.filter(|token| token.is_good(host, now)) else {
            return Ok(None);
        };
        if token.last_used.is_none_or(|last| last < now) && self.remember_use(id, now) {
            self.write_activity().await?;
        }
        Ok(Some(LiveToken { id, token }))
    }

    /// Notes use in memory; true when there is so much of it that it must be written down now.
    fn remember_use(&self, id: Digest, now: UnixSeconds) -> bool {
        let mut used = lock(&self.tokens_used);
        used.insert(id, now);
        used.len() >= ACTIVITY_MAX
    }

    async fn read_api_token(&self, id: Digest) -> Result<Option<Arc<ApiToken>>, Failure> {
        let asked = self.kept_tokens.asking(self.clock.clock().monotonic());
        let token: Option<Arc<ApiToken>> = self
            .read(move |store| {
                let stored = store.load(&[Key::ApiToken(id)]).map_err(Failure::Store)?;
                Ok(stored.into_iter().find_map(|stored| match stored.record {
                    Some(Record::ApiToken(token)) => Some(Arc::from(token)),
                    _ => None,
                }))
            })
            .await?;
        if let Some(token) = &token {
            self.kept_tokens.keep(asked, id, token.clone());
        }
        Ok(token)
    }
}

fn read_tokens(
    store: &dyn Store,
    name: Name,
    now: UnixSeconds,
) -> Result<Option<Vec<(Digest, ApiToken)>>, Failure> {
    let load = |keys: &[Key]| store.load(keys).map_err(Failure::Store);
    let account = load(&[Key::Account(name)])?.into_iter().next();
    let Some(Record::Account(account)) = account.and_then(|stored| stored.record) else {
        return Ok(None);
    };
    let alive = account
        .api_tokens
        .iter()
        .rev()
        .filter(|open| now < open.expires_at);
    let ids: Vec<Digest> = alive.map(|open| open.id).collect();
    let keys: Vec<Key> = ids.iter().copied().map(Key::ApiToken).collect();
    let tokens = load(&keys)?.into_iter().map(|stored| match stored.record {
        Some(Record::ApiToken(token)) => Some(*token),
        _ => None,
    });
    let listed = ids.into_iter().zip(tokens);
    Ok(Some(
        listed.filter_map(|(id, token)| Some((id, token?))).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    #[test]
    fn wish_is_held_to_its_bounds_at_each_of_them() {
        assert_eq!(wish(" \t", 1, NONE), Err(Unwished::NoLabel));
        assert_eq!(wish("x", 0, NONE), Err(Unwished::Days));
        assert_eq!(wish("x", API_TOKEN_DAYS_MAX + 1, NONE), Err(Unwished::Days));
        let longest = wish("x", API_TOKEN_DAYS_MAX, NONE).map(|wish| wish.lives_s);
        assert_eq!(longest, Ok(366 * 86_400));
        let hosts: Vec<String> = (0..=API_TOKEN_HOSTS_MAX)
            .map(|at| format!("h{at}.example.org"))
            .collect();
        let of = |count: usize| wish("x", 1, hosts.iter().take(count).map(String::as_str));
        let most = of(API_TOKEN_HOSTS_MAX).map(|wish| wish.hosts.len());
        assert_eq!(most, Ok(API_TOKEN_HOSTS_MAX));
        assert_eq!(of(API_TOKEN_HOSTS_MAX + 1), Err(Unwished::TooManyHosts));
    }

    #[test]
    fn host_of_a_wish_is_a_name_alone_and_counts_once_in_lower_case() {
        let hosts = wish("x", 1, ["App.Example.org", "app.example.org"]).map(|wish| wish.hosts);
        assert_eq!(hosts, Ok(vec!["app.example.org".to_owned()]));
        for host in [
            "",
            "app.example.org:443",
            "https://app.example.org",
            "*.example.org",
            "a b",
        ] {
            assert_eq!(wish("x", 1, [host]), Err(Unwished::Host), "{host:?}");
        }
    }
}
