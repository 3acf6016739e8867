#![doc = include_str!("../README.md")]

mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod copies;
mod difference;
mod error;
mod event;
mod git;
mod memory;
#[cfg(feature = "rpc")]
mod operations;
#[cfg(feature = "sql")]
mod sql;
mod store;
mod workspace;
mod workspaces;
mod worktree;

pub use config::{Choice, Config, SourceName};
pub use difference::{Change, ChangedFile, Difference};
pub use error::Error;
pub use memory::MemoryStore;
#[cfg(feature = "rpc")]
pub use operations::{DiffParams, MergeParams, WorkspaceInfo, WorkspaceParams, operations};
#[cfg(feature = "sql")]
pub use sql::SqlStore;
pub use store::{Query, Store};
pub use workspace::{Mode, Status, Workspace};
pub use workspaces::{Activity, Merged, Parts, Workspaces};
