//! What a connection does once it is a WebSocket.

mod arrival;
mod calls;
mod close;
mod connect;
mod dialect;
mod greeting;
mod hello;
mod open;
mod operations;
mod peers;
mod session;
mod socket;
mod source;
mod subscriptions;
mod timers;
mod topics;
mod upgrade;

pub use operations::operations;
pub use peers::Peers;
pub(crate) use upgrade::{Upgrade, upgrade};
