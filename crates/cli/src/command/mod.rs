//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod code;
pub(crate) mod first;
pub(crate) mod key;
pub(crate) mod serve;
pub(crate) mod user;
