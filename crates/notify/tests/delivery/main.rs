//! What arrives at servers of this machine, and what does not.

mod mail;
mod support;
mod web;
