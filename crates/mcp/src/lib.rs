#![doc = include_str!("../README.md")]

#[cfg(feature = "client")]
mod client;
mod error;
mod server;

#[cfg(feature = "sql")]
pub use client::SqlStore;
#[cfg(feature = "client")]
pub use client::{
    Filter, InvalidFilter, MemoryStore, Parts, Pin, Remembered, ServerConfig, ServerEnvironment, ServerInfo,
    ServerName, Servers, State, Store, ToolInfo, ToolState, client_operations,
};
pub use error::Error;
pub use server::{Answer, Asking, Http, Identity, Offer, Offered, Offers, OnStack, Operations, operations, serve};
