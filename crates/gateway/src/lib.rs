#![doc = include_str!("../README.md")]

mod admission;
mod config;
mod counters;
mod error;
mod gateway;
mod http;
mod perform;
mod ports;
mod serve;
mod shared;
mod stream;
mod tls;
mod ws;

pub use config::Config;
pub use counters::{Counters, Snapshot};
pub use error::Error;
pub use gateway::{Builder, Gateway, Prepared};
pub use ports::{
    AlwaysReady, Attempt, CallService, Counted, Limits, Mount, MountAnswer, OpenPage, Page, Readiness, RetryAfter,
    Unlimited,
};
pub use serve::Summary;
pub use tls::{Tls, TlsFiles};
pub use ws::{Peers, operations};
