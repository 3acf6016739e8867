//! A backlog of tasks with dependencies, leases, assignment and recurring schedules.

mod backoff;
mod check;
mod decide;
mod draft;
mod edge;
mod error;
mod graph;
mod priority;
mod schedule;
mod status;
mod task;

pub use backoff::Backoff;
pub use decide::{
    Accepts, Assignment, Audience, Candidate, Consideration, Decision, Ineligible, LOSERS_MAX, Loser, Ready, Scores,
    Skip, SkipReason, Snapshot, Strategy, class_of, consider, decide, required_by,
};
pub use draft::{Dependency, Draft};
pub use edge::{Edge, OnFailure};
pub use error::Error;
pub use priority::{InvalidPriority, Priority};
pub use schedule::{
    CATCH_UP_MAX, Cron, Due, Every, Firing, JITTER_MS_MAX, Missed, Overlap, Plan, QUEUED_MAX, Schedule, ScheduleDraft,
    WINDOW_MS_MAX, WINDOW_MS_MIN,
};
pub use status::{InvalidStatus, InvalidTransition, State, Status, Step};
pub use task::{Fence, Place, Task};
