//! The emergency stop: one order, and nothing that an agent does goes on, here or at any daemon of the same store, also after a
//! restart, until an administrator releases it.
//!
//! What is to be stopped asks [`Emergency::check`] before it begins, or runs within [`Emergency::unless_stopped`]. How things are
//! ended that run already is for whoever runs them: [`Emergency::changed`] tells.

#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod error;
mod event;
mod handle;
mod memory;
#[cfg(feature = "rpc")]
mod operations;
mod order;
#[cfg(feature = "sql")]
mod sql;
mod state;
mod store;

pub use error::Error;
pub use handle::Emergency;
pub use memory::MemoryStore;
#[cfg(feature = "rpc")]
pub use operations::{Standing, operations};
pub use order::{Order, Release, Stopped};
#[cfg(feature = "sql")]
pub(crate) use sql::MIGRATION;
#[cfg(feature = "sql")]
pub use sql::SqlStore;
pub use state::Orders;
pub use store::Store;
