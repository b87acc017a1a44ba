//! The server: all input and output of Countersign, around the rules.
//!
//! Knows: doors, the service, stores, and the machine it runs on. Must never know: what a rule decides; that
//! is
//! `countersign-auth`. Doors and stores never meet: a door asks the service, the service asks rules and store.
//!
//! Read next: [`service`] for the walk of a request, [`wiring`] for how the parts are put together.

#![forbid(unsafe_code)]

pub mod deliver;
pub mod door;
pub mod edge;
pub mod people;
pub mod plot;
pub mod seeds;
pub mod service;
pub mod settings;
pub mod store;
pub mod wiring;
