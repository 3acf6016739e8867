#![doc = include_str!("../README.md")]

mod config;
mod heard;
mod hearing;
mod journal;
mod outcome;
mod permission;
mod run;
mod said;
mod secrecy;

pub use config::{Claude, Dialect, PermissionMode};
pub use permission::{Asked, Permissions, Verdict, deny_all};
pub use run::CodingAgent;
pub use secrecy::Secrecy;
