#![doc = include_str!("../README.md")]

mod error;
mod event;
mod filter;
#[cfg(feature = "rpc")]
mod follower;
mod forgetting;
mod hub;
mod index;
mod lane;
mod ledger;
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
mod window;

pub use error::Error;
pub use event::{Event, NewEvent, Transient};
pub use filter::{Filter, InvalidFilter, Part};
#[cfg(feature = "rpc")]
pub use follower::Follower;
pub use forgetting::forget;
pub use hub::Hub;
pub use lane::Lane;
pub use log::{Log, Order, Query};
pub use memory::MemoryLog;
pub use relay::Relay;
#[cfg(feature = "rpc")]
pub use rpc::{ListParams, operations};
#[cfg(feature = "sql")]
pub use sql::{Inbox, Numbering, Reads, SqlLog, SqlWindows};
pub use subscription::{Delivery, Gap, GapReason, Progress, Subscription};
#[cfg(any(test, feature = "test-util"))]
pub use window::conformance as window_conformance;
pub use window::{
    Bookmark, Bounds, Definition, InvalidWindowsConfig, MemoryWindows, Positions, Record, Restored, Wanted, Window,
    WindowId, WindowKind, WindowStore, Windows, WindowsConfig,
};
