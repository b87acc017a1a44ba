//! What a server for trying out begins with: somebody to sign in as.
//!
//! Knows: the name and password that the step-up guide's examples use. Must never know: a store that is meant; whoever
//! calls it has seen that production refuses this one.

use countersign_auth::claim::ClaimValue;
use countersign_auth::command::people::Amendment;
use zeroize::Zeroizing;

use crate::service::Failure;
use crate::service::operator::{Ask, FirstPassword, Operator, Reply};

/// Adds `admin`, whose password is `test` and who is a publisher, unless somebody administers already.
///
/// # Errors
/// [`Failure`].
pub(super) async fn seed(operator: &Operator) -> Result<(), Failure> {
    if operator.is_set_up().await? {
        return Ok(());
    }
    let hash = operator.hash_unjudged("test").await?;
    let ask = Ask::UserAdd {
        name: "admin".into(),
        groups: vec!["admin".into()],
        password: Some(FirstPassword::Hash(Zeroizing::new(hash.0))),
        totp: true,
    };
    let added = operator.answer(ask, "seed").await;
    let amend = Ask::UserAmend {
        name: "admin".into(),
        amendments: vec![Amendment::Claim("publisher".into(), ClaimValue::Bool(true))],
    };
    let done = match added {
        Reply::UserAdded(_) => operator.answer(amend, "seed").await,
        other => other,
    };
    match done {
        Reply::Done => {
            tracing::warn!("anybody on this machine can sign in as `admin` with the password `test`");
            Ok(())
        }
        other => {
            tracing::error!(reply = ?other, "the account for trying out could not be added");
            Err(Failure::Internal)
        }
    }
}
