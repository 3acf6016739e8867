#![doc = include_str!("../README.md")]

mod admission;
mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod desk;
mod entry;
mod error;
mod event;
mod info;
mod journal;
mod live;
mod memory;
#[cfg(feature = "rpc")]
mod operations;
mod program;
mod run;
mod runtime;
mod session;
mod sessions;
#[cfg(feature = "sql")]
mod sql;
mod state;
mod store;
mod work;

pub use config::{Config, Node, OnStall};
pub use desk::Desk;
pub use entry::{Entry, Numbered, Repeat, Verdict};
pub use error::Error;
pub use info::{SessionInfo, TaskInfo};
pub use journal::Journal;
pub use memory::MemoryStore;
#[cfg(feature = "rpc")]
pub use operations::{
    HistoryParams, ListParams, PauseParams, ResumeParams, SessionHistory, SessionLimit, SessionList, SettleParams,
    StatusParams, StopParams, SubmitParams, Submitted, operations,
};
pub use program::{Program, Variables};
pub use runtime::{Cause, Ending, Gate, Halt, Outcome, Runtime};
pub use session::{Brief, Exit, Metrics, Session};
pub use sessions::{Answered, Drained, Noting, Parts, Recovered, Said, Sessions, StartRequest, Stop, TextFilter};
#[cfg(feature = "sql")]
pub use sql::SqlStore;
pub use state::{InvalidTransition, State, Status, Step};
pub use store::{Append, Listing, Query, Store};
pub use work::{Answer, Lease, Work, WorkError};
