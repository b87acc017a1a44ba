//! The floor that needs nothing of the machine: one-time passwords, throttle arithmetic and time, without an
//! operating system or a heap.
//!
//! Knows: RFC 4226, RFC 6238, Base32, otpauth URIs, levels, and the arithmetic of budgets. Must never know: accounts,
//! storage, doors, the clock or the source of randomness; time and secrets are handed in.
//!
//! Read next: [`otp`] for codes, [`limit`] for throttling, [`elevation`] for what a proof is worth.
//! `countersign-auth` builds the rules on this.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod bytes;
pub mod elevation;
pub mod limit;
pub mod otp;
pub mod time;
