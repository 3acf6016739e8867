//! What a connection does once it is a WebSocket.

mod calls;
mod connect;
mod dialect;
mod operations;
mod session;
mod socket;
mod subscriptions;
mod timers;
mod upgrade;

pub use operations::operations;
pub(crate) use upgrade::{Upgrade, upgrade};
