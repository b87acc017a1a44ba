//! The sequential specification of what ends once: a code is used up by its acceptance, a session by its revocation.
//!
//! Both are one object. Until its end every operation is accepted, from then on every one is refused; presenting a
//! code and revoking a session are the end itself. "Accepted at most once" and "revoked stays revoked" follow, and
//! also that nothing is refused without a reason and nothing acknowledged is lost.

use serde::Deserialize;
use stateright::semantics::SequentialSpec;

/// A code or a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Once {
    /// Whether it was used up or revoked.
    pub over: bool,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A code is presented; its acceptance is its end.
    PresentCode,
    /// A session is used.
    UseSession,
    /// A session is revoked.
    RevokeSession,
}

impl Op {
    /// Whether acceptance is the end.
    #[must_use]
    pub fn ends(self) -> bool {
        self != Op::UseSession
    }
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ret {
    /// Done.
    Accepted,
    /// It was over.
    Refused,
}

impl SequentialSpec for Once {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        if self.over {
            return Ret::Refused;
        }
        self.over = op.ends();
        Ret::Accepted
    }
}
