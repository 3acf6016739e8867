//! Tools of other servers in a registry: of programs, and over HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod http;
mod stdio;
mod support;
