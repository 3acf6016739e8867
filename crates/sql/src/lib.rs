#![doc = include_str!("../README.md")]

mod database;
mod error;
mod job;
mod lock;
mod migrate;
mod tx;
mod writer;

pub use database::{Backend, Database, Options};
pub use error::{Class, Error};
pub use migrate::{Migration, migrate};
pub use tx::{CommitHook, Tx};
