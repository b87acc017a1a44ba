//! The binary as its users run it: one process a test, its own data folder, real connections on loopback.

mod account;
mod api;
mod audit;
mod backup;
mod bad_input;
mod canary;
mod cluster;
mod first;
mod keys;
mod kills;
mod nodes;
mod nonsense;
mod outside;
mod pages;
mod races;
mod settings;
mod sign_in;
mod terminal;
#[cfg(not(debug_assertions))]
mod timing;
mod tools;
mod world;
