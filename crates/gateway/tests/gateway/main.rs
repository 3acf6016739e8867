//! The gateway over real sockets, as a client meets it.

#![expect(clippy::unwrap_used, reason = "what helps a test fails like a test")]

mod dialects;
mod drain;
mod events;
mod http;
mod rest;
mod slow_peers;
mod support;
mod tls;
mod websocket;
