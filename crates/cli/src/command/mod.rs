//! The commands, one file each.

pub(crate) mod app;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod code;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod enrol;
pub(crate) mod first;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod mail;
pub(crate) mod people;
pub(crate) mod proof;
pub(crate) mod rules;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod throttle;
pub(crate) mod token;
pub(crate) mod trust;
pub(crate) mod user;
pub(crate) mod verify;
