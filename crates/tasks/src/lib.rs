#![doc = include_str!("../README.md")]

mod backlog;
mod backoff;
mod binding;
mod check;
mod claim;
mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod decide;
mod draft;
mod edge;
mod engine;
mod error;
mod event;
mod explain;
mod graph;
mod keeper;
mod memory;
mod origin;
mod patch;
mod poke;
mod priority;
mod query;
#[cfg(feature = "rpc")]
mod rpc;
mod schedule;
mod scheduler;
#[cfg(feature = "sql")]
mod sql;
mod status;
mod store;
mod sweep;
mod task;
mod trail;
mod view;

pub use backlog::Backlog;
pub use backoff::Backoff;
pub use binding::{Binding, Touched};
pub use check::{
    ATTEMPTS_MAX, BATCH_MAX, CAPABILITIES_MAX, CONCURRENCY_KEY_CHARS_MAX, DEPENDENCIES_MAX, DESCRIPTION_BYTES_MAX,
    ERROR_BYTES_MAX, IDEMPOTENCY_KEY_CHARS_MAX, KIND_CHARS_MAX, METADATA_BYTES_MAX, PROGRESS_BYTES_MAX, RESERVED,
    RESULT_BYTES_MAX, TAG_CHARS_MAX, TAGS_MAX, TITLE_CHARS_MAX,
};
pub use claim::{Claim, Completion, Renewed};
pub use config::{Concurrency, Config};
pub use decide::{
    Accepts, Assignment, Audience, Candidate, Consideration, Decision, Ineligible, LOSERS_MAX, Loser, Pool, Ready,
    Scores, Skip, SkipReason, Snapshot, Strategy, class_of, consider, decide, required_by,
};
pub use draft::{Dependency, Draft};
pub use edge::{Edge, OnFailure};
pub use error::Error;
pub use event::{Event, Released};
pub use explain::{Blocker, Explanation, Why};
pub use keeper::{Keeper, Swept};
pub use memory::MemoryStore;
pub use origin::Origin;
pub use patch::Patch;
pub use priority::{InvalidPriority, Priority};
pub use query::{LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, Order, Query, ScheduleQuery};
#[cfg(feature = "rpc")]
pub use rpc::{ClaimView, CompletedItem, Deleted, Items, Lease, operations};
pub use schedule::{
    CATCH_UP_MAX, Cron, Due, Every, Firing, JITTER_MS_MAX, Missed, Overlap, Plan, QUEUED_MAX, Schedule, ScheduleDraft,
    SchedulePatch, WINDOW_MS_MAX, WINDOW_MS_MIN,
};
pub use scheduler::{Dispatch, Refused, Round, Scheduler, Workforce};
#[cfg(feature = "sql")]
pub use sql::SqlStore;
pub use status::{InvalidStatus, InvalidTransition, State, Status, Step};
pub use store::{Counts, Rows, Store, Work};
pub use task::{Fence, Place, Task};
pub use view::View;
