//! The service over real stores, with a clock that the tests move.

mod administration;
mod administration_pages;
mod audit_search;
mod bodies;
mod browser;
mod conformance;
mod destination;
mod history_pages;
mod likeness;
mod mail;
mod pages;
mod passwords;
mod people;
mod postgres;
mod pulse;
mod races;
mod reached;
mod ready;
mod recovery;
mod rules;
mod seeds;
mod sessions;
mod step_up;
mod world;
