//! The rules of one-time passwords, judged from outside by the language-neutral vectors and by seeded chance.
//!
//! Knows: the vectors of the workspace and the public interface. Must never know: how the crate computes
//! anything. Read `vectors` first, then one module for each family of rules.

mod acceptance;
mod codes;
mod corpus;
mod elevation;
mod encodings;
mod generation;
mod google_authenticator;
mod migration;
mod ocra;
mod secret;
mod vectors;
