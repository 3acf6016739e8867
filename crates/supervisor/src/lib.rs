#![doc = include_str!("../README.md")]

mod attempt;
mod config;
mod error;
mod restarts;
mod status;
mod supervisor;

pub use config::Config;
pub use error::Error;
pub use status::{State, Status};
pub use supervisor::Supervisor;
