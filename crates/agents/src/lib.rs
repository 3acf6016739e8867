#![doc = include_str!("../README.md")]

mod agent;
mod config;
mod error;
#[cfg(feature = "files")]
mod files;
mod health;
#[cfg(feature = "rpc")]
mod operations;
mod permissions;
mod profile;
#[cfg(feature = "sql")]
mod registration;
#[cfg(feature = "sql")]
mod registry;
#[cfg(feature = "sql")]
mod selection;
#[cfg(feature = "sql")]
mod sql;

pub use agent::{Agent, Definition, Kind, Status};
pub use config::Config;
pub use error::Error;
#[cfg(feature = "files")]
pub use files::{Catalogue, Changes, Fault, FilesConfig, tool_like, tools_of_claude_code};
pub use health::{Circuit, Outcome};
#[cfg(feature = "rpc")]
pub use operations::{AgentParams, ListParams, RegisterParams, operations};
pub use permissions::Permissions;
pub use profile::{Limits, MemoryScope, PermissionMode, Profile, Restart, Role, Runtime, Thinking, Workspace};
#[cfg(feature = "sql")]
pub use registration::Registration;
#[cfg(feature = "sql")]
pub use registry::Registry;
#[cfg(feature = "sql")]
pub use selection::Selection;
