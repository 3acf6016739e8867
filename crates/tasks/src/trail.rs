//! The way of a task as spans of `tracing`: each step that was written is told as one, in the trace of the task.
//!
//! A transaction may serve many tasks, and may run more than once, so steps are collected while it runs and told when it
//! is written. Nothing is collected unless somebody listens at the level `DEBUG`.

use orchestrator_vocab::{OrgId, TaskId, Timestamp};
use tracing::Level;

use crate::{Event, Task};

/// A step that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    name: &'static str,
    /// For those who show traces: who waits for whom.
    kind: &'static str,
    since: Timestamp,
    task: TaskId,
    org: OrgId,
    agent: Option<String>,
    attempt: u32,
    error: Option<String>,
    trace: String,
}

/// Whether anybody would hear of it.
pub(crate) fn is_watched() -> bool {
    tracing::span_enabled!(Level::DEBUG, traceparent)
}

/// The steps that an event stands for. `since` is when the transaction began.
pub(crate) fn marks(task: &Task, event: &Event, since: Timestamp) -> Vec<Mark> {
    let mark = |name, kind, since, agent: Option<String>, error: Option<String>| Mark {
        name,
        kind,
        since,
        task: task.id,
        org: task.org,
        agent,
        attempt: task.attempt,
        error,
        trace: task.trace().into_owned(),
    };
    let owner = || task.state.owner().map(ToString::to_string);
    let text = |agent: &Option<orchestrator_vocab::AgentId>| agent.as_ref().map(ToString::to_string);
    match event {
        Event::Created { .. } => vec![mark("task.create", "producer", since, None, None)],
        Event::Unblocked => vec![mark("task.unblock", "internal", since, None, None)],
        Event::Claimed { waited_ms } => {
            let ready = since - std::time::Duration::from_millis(*waited_ms);
            vec![
                mark("task.ready", "internal", ready, None, None),
                mark("task.claim", "consumer", since, owner(), None),
            ]
        }
        Event::Released { agent, .. } => {
            vec![mark("task.release", "internal", since, text(agent), task.last_error.clone())]
        }
        Event::Completed { agent } => vec![mark("task.complete", "internal", since, text(agent), None)],
        Event::Failed { agent } => {
            let (_, error) = task.outcome();
            let error = error.as_str().unwrap_or("failed").to_owned();
            vec![mark("task.fail", "internal", since, text(agent), Some(error))]
        }
        Event::Cancelled { agent } => vec![mark("task.cancel", "internal", since, text(agent), None)],
        _ => Vec::new(),
    }
}

impl Mark {
    /// A span that began when the step did and ends now.
    pub(crate) fn tell(&self) {
        let _ended_here = tracing::debug_span!(
            "task",
            otel.name = self.name,
            otel.kind = self.kind,
            since_ms = self.since.millis(),
            traceparent = self.trace,
            task = %self.task,
            org = %self.org,
            agent = self.agent,
            attempt = self.attempt,
            error = self.error,
        );
    }
}
