//! What applications and hosts link against. See the crate's description.
