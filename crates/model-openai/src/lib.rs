#![doc = include_str!("../README.md")]

mod blocks;
mod chat;
mod config;
mod embeddings;
mod error;
mod failure;
mod images;
mod models;
mod provider;
mod responses;
mod stream;
mod tokens;
mod usage;

pub use config::{Api, Config, EmbeddingOptions, Encoding, HardestEffort, MaxTokensName, Options, ReasoningSummary};
pub use error::Error;
pub use provider::OpenAi;
