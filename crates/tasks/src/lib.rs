//! A backlog of tasks with dependencies, leases, assignment and recurring schedules.

mod backoff;
mod decide;
mod edge;
mod graph;
mod priority;
mod status;

pub use backoff::Backoff;
pub use decide::{
    Accepts, Assignment, Audience, Candidate, Consideration, Decision, Ineligible, LOSERS_MAX, Loser, Ready, Scores,
    Skip, SkipReason, Snapshot, Strategy, class_of, consider, decide, required_by,
};
pub use edge::{Edge, OnFailure};
pub use priority::{InvalidPriority, Priority};
pub use status::{InvalidStatus, InvalidTransition, State, Status, Step};
