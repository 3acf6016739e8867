#![doc = include_str!("../README.md")]

mod address;
mod answer;
mod client;
mod config;
mod error;
mod host;
mod network;
mod policy;
mod redirect;
mod request;
mod resolve;

pub use answer::{Answer, Response};
pub use client::Client;
pub use config::{Config, InvalidConfig};
pub use error::Error;
pub use host::{HostPattern, InvalidHostPattern};
pub use network::{InvalidNetwork, Network};
pub use request::{Method, Request};
pub use resolve::{Resolve, SystemResolver};
