#![doc = include_str!("../README.md")]

mod actor;
mod clock;
#[cfg(feature = "hosts")]
mod host;
mod id;
mod label;
mod money;
mod name;
mod timestamp;
mod tokens;

pub use actor::{Actor, InvalidActor};
#[cfg(any(test, feature = "test-util"))]
pub use clock::PausedClock;
pub use clock::{Clock, SystemClock};
#[cfg(feature = "hosts")]
pub use host::{HostPattern, HostRule, InvalidHostPattern, InvalidHostRule};
pub use id::{EventId, Id, InvalidId, Kind, OrgId, ScheduleId, SessionId, TaskId, kind};
pub use label::{Confidentiality, Integrity, Label};
pub use money::{InvalidAmount, NanoUsd};
pub use name::{AgentId, Capability, InvalidName, Name};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use tokens::Tokens;
