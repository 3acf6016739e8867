#![doc = include_str!("../README.md")]

mod agent;
mod config;
mod error;
mod health;
#[cfg(feature = "rpc")]
mod operations;
#[cfg(feature = "sql")]
mod registration;
#[cfg(feature = "sql")]
mod registry;
#[cfg(feature = "sql")]
mod sql;

pub use agent::{Agent, Definition, Kind, Status};
pub use config::Config;
pub use error::Error;
pub use health::{Circuit, Outcome};
#[cfg(feature = "rpc")]
pub use operations::{AgentParams, RegisterParams, operations};
#[cfg(feature = "sql")]
pub use registration::Registration;
#[cfg(feature = "sql")]
pub use registry::Registry;
