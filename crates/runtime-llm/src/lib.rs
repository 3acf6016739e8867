#![doc = include_str!("../README.md")]

mod context;
mod conversation;
mod frames;
mod model;
mod opening;
#[cfg(feature = "rpc")]
mod operations;
mod profile;
mod recollection;
mod replay;
mod reverting;
mod runtime;
mod tool;
mod work;

pub use conversation::Unreadable;
pub use model::{Effort, ModelAnswer, ModelError, ModelRequest, ModelService};
#[cfg(feature = "rpc")]
pub use operations::{ReplayParams, operations};
pub use profile::{Circles, InvalidLimits, Limits, Profile, Then};
pub use recollection::{Compacted, Recalled, Recollection, Stretch};
pub use replay::{Divergence, Replay, replay};
pub use reverting::{REVERTED, Standing, Summaries, summaries, taken_back};
pub use runtime::{Llm, Parts};
pub use tool::{NoTools, Offered, Opening, Permitted, Progress, Refused, ToolAnswer, ToolRequest, Toolbox};
