#![doc = include_str!("../README.md")]

mod batch;
mod database;
mod error;
mod inspect;
mod job;
mod lock;
mod migrate;
#[cfg(feature = "test-util")]
mod scratch;
mod tx;
mod writer;

pub use batch::Batch;
pub use database::{Backend, Database, Options};
pub use error::{Class, Error};
pub use inspect::Inspection;
pub use migrate::{Migration, migrate};
#[cfg(feature = "test-util")]
pub use scratch::Scratch;
pub use tx::{CommitHook, Tx};
