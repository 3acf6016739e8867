//! Other servers of the protocol: their tools in a registry of tools.

mod catalogue;
mod child;
mod config;
mod connection;
mod definition;
mod info;
mod link;
mod memory;
mod names;
mod operations;
mod remote;
mod result;
mod server;
mod servers;
#[cfg(feature = "sql")]
mod sql;
mod store;

pub use config::{Pin, ServerConfig, ServerEnvironment};
pub use info::{ServerInfo, State, ToolInfo, ToolState};
pub use memory::MemoryStore;
pub use names::{Filter, InvalidFilter, ServerName};
pub use operations::operations as client_operations;
pub use servers::{Parts, Servers};
#[cfg(feature = "sql")]
pub use sql::SqlStore;
pub use store::{Remembered, Store};
