use std::fmt;

use orchestrator_vocab::{ScheduleId, TaskId};
use serde_json::{Map, Value};

/// What a caller leaves on whatever it creates or changes, so that it is worked on within bounds later, by whomever. Implemented where
/// it is known who may do what; nothing here understands the notes.
///
/// It is asked in the transaction of the command, for each task and schedule that is created, and for each that is changed by more than
/// a priority, a number of attempts, or the beginning of a rest. A failed task that is started anew is what it was; one that was
/// cancelled is changed by that. Tasks of a schedule get what is noted on the schedule.
pub trait Binding: fmt::Debug + Send + Sync {
    /// What to note, under keys that begin with [`RESERVED`](crate::RESERVED); it takes the place of what `noted` has under them.
    /// `noted` is a task's whole metadata, or what a schedule has for that of its tasks.
    ///
    /// # Errors
    /// Why it may not be. The command is refused ([`Error::Refused`](crate::Error::Refused)) and changes nothing.
    fn bind(&self, touched: Touched, noted: &Map<String, Value>) -> Result<Map<String, Value>, String>;
}

/// What a command has its hands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// A task or schedule that it creates.
    New,
    /// A task that was there.
    Task(TaskId),
    /// A schedule that was there.
    Schedule(ScheduleId),
}
