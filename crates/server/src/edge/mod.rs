//! The machine: its clocks, its randomness, its files.
//!
//! Knows: the operating system. Must never know: rules or requests. Only the wiring reads from here;
//! everybody else is handed what they need.

pub mod backup;
pub mod certificate;
pub mod clock;
pub mod entropy;
pub mod folder;
pub mod host;
pub mod ntp;
pub mod ring;
pub mod socket;
pub mod stranger;
