//! The ways in. Each door speaks its own language and asks the one service.
//!
//! Knows: wire formats. Must never know: stores, or what a rule decides.

pub mod control;
pub mod http;
