//! One-time passwords: HOTP (RFC 4226), TOTP (RFC 6238), OCRA (RFC 6287), and the texts they travel in.
//!
//! Knows: how a code follows from a secret and a counter, and when a presented code may be accepted. Must
//! never know: whose secret it is, or what acceptance leads to.
//!
//! Read next: [`Totp::verify`], the one place where a time-based code is judged.

mod code;
pub mod google_authenticator;
mod hotp;
mod keyed;
pub mod migration;
pub mod ocra;
pub mod otpauth;
mod parameters;
mod secret;
mod totp;

pub use code::{Code, CodeFormatError, fuzz as fuzz_code};
pub use hotp::{Counter, Hotp, HotpVerdict};
pub use parameters::{Algorithm, AlgorithmError, Digits};
pub use secret::{SECRET_BYTES_MAX, SecretError, SecretStrength, SharedSecret};
pub use totp::{AcceptanceWindow, Presented, Resynchronised, Totp, Verdict};
