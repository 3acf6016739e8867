//! The command line against a running daemon.

mod administration;
mod agents;
mod charters;
mod configuration;
mod resuming;
mod status;
mod support;
mod tasks;
mod watching;
