#![doc = include_str!("../README.md")]

mod binary;
mod builder;
mod daemon;
mod http;
mod output;
mod patience;
mod socket;
mod tokens;

pub use builder::{Builder, Refused};
pub use daemon::Daemon;
pub use http::{Http, Reply};
pub use orchestrator_sql::{Backend, Scratch};
pub use patience::{PATIENCE, patiently};
pub use socket::{Event, Gone, Socket, Unopened};
pub use tokens::Organisation;
