//! The command line against a running daemon.

mod administration;
mod configuration;
mod status;
mod support;
mod tasks;
mod watching;
