//! An operator's word for an account's owner: one proof of a recovery, beside another.
//!
//! Knows: the link that carries it, and in which words an account is refused. Must never know: how the operator
//! recognised the person.

use countersign_auth::command::recovery::vouch::{NotVouched, Vouch};
use countersign_auth::event::Reason;

use super::super::names;
use super::accounts::no_account;
use super::{By, Operator, Reply, Stop, Ticket, malformed, missing, refused};

impl Operator {
    /// A link that is one proof, and opens nothing alone.
    pub(super) async fn vouch(&self, typed: &str, by: &By) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        // It would be no second person's word.
        if by
            .authority
            .as_ref()
            .is_some_and(|authority| authority.name == name)
        {
            return Ok(refused("nobody vouches for themselves; ask another who may"));
        }
        let rule = Vouch {
            name: name.clone(),
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            Ok((token, expires_in)) => Reply::Ticket(Ticket {
                ticket: token.expose().to_owned(),
                // Behind the hash sign, so that no log of any server or proxy ever holds it.
                link: format!("{}/recover/vouched#{}", self.service.issuer(), token.expose()),
                expires_in,
            }),
            Err(NotVouched::NoAccount) => missing(no_account(&name)),
            Err(NotVouched::Because(Reason::Disabled)) => refused(format!(
                "{name} is disabled; run `countersign user enable {name}` first"
            )),
            Err(NotVouched::Because(_)) => refused(format!(
                "{name} lacks a password or a second factor, so nothing could be the other proof; use `countersign \
                 user invite {name}`"
            )),
        })
    }
}
