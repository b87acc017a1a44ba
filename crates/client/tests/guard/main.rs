//! The guard against a stub that answers as Countersign does, over TLS, at a time that the tests turn.
//!
//! Knows: the contract of docs/protocol, and the vectors of tokens and answers. Must never know: how the guard is made.
//! `stub` is the other side.

mod answers;
mod liveness;
mod routes;
mod stub;
mod tokens;
