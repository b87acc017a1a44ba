//! What a server for trying out begins with: somebody to sign in as.
//!
//! Knows: the name and password that the step-up guide's examples use. Must never know: a store that is meant; whoever
//! calls it has seen that production refuses this one.

use zeroize::Zeroizing;

use crate::service::Failure;
use crate::service::operator::{Ask, FirstPassword, Operator, Reply};

/// Adds `admin`, whose password is `test`, unless somebody administers already.
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
    match operator.answer(ask, "seed").await {
        Reply::UserAdded(_) => {
            tracing::warn!("anybody on this machine can sign in as `admin` with the password `test`");
            Ok(())
        }
        other => {
            tracing::error!(reply = ?other, "the account for trying out could not be added");
            Err(Failure::Internal)
        }
    }
}
