#![doc = include_str!("../README.md")]

mod call;
mod command;
mod config;
mod error;
mod files;
#[cfg(feature = "http")]
mod http;
mod name;
mod output;
mod permit;
mod registry;
mod schema;
mod spec;
mod tool;

pub use call::{Call, Context, Invocation, Progress};
pub use command::{CommandConfig, CommandEnvironment, command_tools};
pub use config::{Config, InvalidConfig};
pub use error::{Error, InvalidTool};
pub use files::file_tools;
#[cfg(feature = "http")]
pub use http::http_tools;
pub use name::{InvalidName, ToolName};
pub use output::Output;
pub use permit::{Mint, Permit};
pub use registry::Registry;
pub use spec::{Repeat, Spec};
pub use tool::Tool;
