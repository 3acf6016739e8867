//! The gateway over real sockets, as a client meets it.

mod drain;
mod events;
mod http;
mod rest;
mod slow_peers;
mod support;
mod tls;
mod websocket;
