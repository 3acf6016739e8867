//! The provider against an upstream with real sockets that says what it is told to say.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod cassettes;
mod conformance;
mod embeddings;
mod reading;
mod requests;
mod safety;
mod upstream;
