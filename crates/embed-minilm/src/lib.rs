#![doc = include_str!("../README.md")]

mod batches;
mod error;
mod minilm;
mod model;
mod vocabulary;
mod workers;

pub use error::OpenError;
pub use minilm::{DIMENSIONS, MiniLm, TEXT_BYTES_MAX, TOKENS_MAX};
