//! The rules of Countersign: sign-in, enrolment, sessions, recovery, as pure functions over records.
//!
//! Knows: what may happen next, given what is stored, who asks and what time it is. Must never know: sockets,
//! files, databases, encodings, the clock or the source of randomness; those are handed in. It needs a heap
//! and nothing else of the machine, so the same rules run in the server and on a microcontroller.
//!
//! Read next: [`rule`] for the shape every rule has, [`command`] for the rules, [`record`] for what they read
//! and write.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod action;
pub mod asks;
pub mod claim;
pub mod command;
pub mod contact;
pub mod credential;
pub mod event;
pub mod id;
pub mod name;
pub mod policy;
pub mod record;
pub mod role;
pub mod rule;
pub mod seal;
pub mod session;
pub mod snapshot;
pub mod throttle;
