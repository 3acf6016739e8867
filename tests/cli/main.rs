//! The command line against a running daemon.

mod administration;
mod status;
mod support;
mod tasks;
mod watching;
