//! The client against a small server of its own, over real sockets.

#![expect(clippy::unwrap_used, reason = "what helps a test fails like a test")]

mod calls;
mod connection;
mod durable;
mod events;
mod server;
mod tls;
