#![doc = include_str!("../README.md")]

mod backoff;
mod book;
mod client;
mod config;
mod dialer;
mod driver;
mod endpoint;
mod error;
mod greeting;
mod link;
mod options;
mod outbox;
mod subscription;
mod topic;

pub use client::Client;
pub use config::{Config, Reconnect};
pub use error::Error;
pub use options::{CallOptions, Repeat};
pub use subscription::{Delivery, Event, Gap, Resumption, Subscription, Topics};
