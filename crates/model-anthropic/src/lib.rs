#![doc = include_str!("../README.md")]

mod answer;
mod ask;
mod config;
mod error;
mod failure;
mod family;
mod provider;
mod running;
mod wire;

pub use config::{Cache, Config, Display, Options, ThinkingForm, Ttl};
pub use error::Error;
pub use provider::Anthropic;
