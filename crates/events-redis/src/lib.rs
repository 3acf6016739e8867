#![doc = include_str!("../README.md")]

mod circuit;
mod config;
mod error;
mod health;
mod inspect;
mod keys;
mod message;
mod publish;
mod queues;
mod receive;
mod relay;
#[cfg(feature = "test-util")]
mod server;
mod session;
mod stream;

pub use config::Config;
pub use error::Error;
pub use health::{Health, State};
pub use inspect::Inspection;
pub use relay::RedisRelay;
#[cfg(feature = "test-util")]
pub use server::{Server, server_url};
