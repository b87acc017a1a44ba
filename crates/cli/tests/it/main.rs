//! The binary as its users run it: one process a test, its own data folder, real connections on loopback.

mod account;
mod api;
mod approvals;
mod audit;
mod backup;
mod bad_input;
mod canary;
mod clock;
mod cluster;
mod disk_full;
mod elevation;
mod examples;
mod first;
mod forward_auth;
mod import;
mod keys;
mod kills;
mod mail;
mod nodes;
mod nonsense;
mod outside;
mod pages;
mod people;
mod power;
mod proxies;
mod races;
mod rules;
mod settings;
mod sign_in;
mod terminal;
#[cfg(not(debug_assertions))]
mod timing;
mod tools;
mod trying_out;
mod volume;
mod world;
