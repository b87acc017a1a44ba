//! The commands, one file each.

pub(crate) mod code;
pub(crate) mod serve;
pub(crate) mod user;
