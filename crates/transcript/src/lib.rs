#![doc = include_str!("../README.md")]

mod accumulator;
mod block;
mod digest;
mod event;
mod message;
mod pattern;
mod stop;
mod usage;

pub use accumulator::{Accumulator, BYTES_MAX, Misplaced, Reply, Unfinished};
pub use block::{Block, Content, ImageSource, ToolCall, ToolResult, ToolResultPart};
pub use digest::{Digest, InvalidDigest, NotCanonical};
pub use event::{Delta, Opening, StreamEvent};
pub use message::{Message, Origin, Role};
pub use pattern::{InvalidPattern, ToolPattern};
pub use stop::{Stop, StopReason};
pub use usage::Usage;
