#![doc = include_str!("../README.md")]

mod error;
mod event;
mod filter;
#[cfg(feature = "rpc")]
mod follower;
mod hub;
mod log;
mod memory;
mod queue;
#[cfg(feature = "sql")]
mod recent;
mod relay;
#[cfg(feature = "rpc")]
mod rpc;
#[cfg(feature = "sql")]
mod sql;
mod subscription;

pub use error::Error;
pub use event::{Event, NewEvent, Transient};
pub use filter::{Filter, InvalidFilter};
#[cfg(feature = "rpc")]
pub use follower::Follower;
pub use hub::Hub;
pub use log::{Log, Order, Query};
pub use memory::MemoryLog;
pub use relay::Relay;
#[cfg(feature = "rpc")]
pub use rpc::{ListParams, operations};
#[cfg(feature = "sql")]
pub use sql::{Inbox, Numbering, Reads, SqlLog};
pub use subscription::{Delivery, Gap, GapReason, Subscription};
