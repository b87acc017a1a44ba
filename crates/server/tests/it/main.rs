//! The service over real stores, with a clock that the tests move.

mod conformance;
mod likeness;
mod races;
mod sessions;
mod world;
