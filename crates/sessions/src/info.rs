use orchestrator_vocab::{AgentId, SessionId, TaskId, Timestamp};
use serde::Serialize;

use crate::{Brief, Exit, Metrics, Session, Status};

/// A session as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// The label given by whoever created it; empty without one.
    pub orchestrator_id: String,
    /// `process` for agent programs; the runtime's name for others.
    pub session_type: String,
    /// How it is run, such as `program`.
    pub runtime: String,
    /// Where it is.
    pub status: Status,
    /// Why it is paused or suspended, failed or was terminated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a person has to say before it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// How often a model has answered in it.
    pub turns: u64,
    /// How many entries its journal has.
    pub entries: u64,
    /// Who works.
    pub agent_id: AgentId,
    /// On what.
    pub task_id: TaskId,
    /// What people are shown of the task.
    pub task: TaskInfo,
    /// When it was created.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What it used and achieved.
    pub metrics: Metrics,
    /// How the program exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// The last line of output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_output: Option<String>,
    /// The daemon that runs it.
    pub node: String,
}

/// What people are shown of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
pub struct TaskInfo {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Up to 4,000 characters of it.
    pub description: String,
    /// Its priority.
    pub priority: String,
}

impl Session {
    /// The form for the wire; `now` is needed for how long it has been at work.
    pub fn info(&self, now: Timestamp) -> SessionInfo {
        let Brief { kind, description, priority } = self.brief.clone();
        let duration = self.ended_at.unwrap_or(now).since(self.started_at);
        let metrics = Metrics { duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), ..self.metrics };
        SessionInfo {
            id: self.id,
            orchestrator_id: self.orchestrator.clone().unwrap_or_default(),
            session_type: if self.runtime == "program" { "process".to_owned() } else { self.runtime.clone() },
            runtime: self.runtime.clone(),
            status: self.state.status(),
            reason: self.state.reason().map(str::to_owned),
            waiting_for: self.state.reason().filter(|_| self.state.is_waiting()).map(str::to_owned),
            turns: self.turns,
            entries: self.entries,
            agent_id: self.agent.clone(),
            task_id: self.task,
            task: TaskInfo { kind, description, priority },
            started_at: self.started_at,
            ended_at: self.ended_at,
            metrics,
            exit: self.exit,
            last_output: self.last_output.clone(),
            node: self.node.clone(),
        }
    }
}
