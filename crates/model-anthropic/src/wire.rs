//! The protocol's own shapes: what is sent and what comes back, and nothing that is not used.

mod body;
mod event;

pub(crate) use body::{Block, Body, CacheControl, Choice, OutputConfig, Part, Piece, Source, Thinking, Tool, Turn};
pub(crate) use event::{BlockDelta, Counted, Creation, Delta, Event, Failed, Failure, Message, ModelsPage, UsageCount};
