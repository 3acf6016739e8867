//! What arrives at servers of this machine, and what does not.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on panics, and has tasks of its own"
)]

mod mail;
mod support;
mod web;
