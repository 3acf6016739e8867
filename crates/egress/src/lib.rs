#![doc = include_str!("../README.md")]

mod address;
mod answer;
mod client;
mod config;
mod error;
mod network;
mod policy;
#[cfg(feature = "proxy")]
mod proxy;
mod redirect;
mod request;
mod resolve;

pub use answer::{Answer, Response};
pub use client::Client;
pub use config::{Config, InvalidConfig};
pub use error::Error;
pub use network::{InvalidNetwork, Network};
pub use orchestrator_vocab::{HostPattern, HostRule, InvalidHostPattern, InvalidHostRule};
#[cfg(feature = "proxy")]
pub use proxy::{About, Asked, Guest, Outcome, Proxy, ProxyConfig, Tell};
pub use request::{Method, Request};
pub use resolve::{Resolve, SystemResolver};
