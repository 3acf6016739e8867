use orchestrator_vocab::{Actor, AgentId, OrgId, SessionId, TaskId, Timestamp, Tokens};
use serde::{Deserialize, Serialize};

use crate::{Lease, State};

/// One agent at work on one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub org: OrgId,
    /// Who works.
    pub agent: AgentId,
    /// On what.
    pub task: TaskId,
    /// The claim under which it works.
    pub fence: u64,
    /// What people are shown of the task.
    pub brief: Brief,
    /// Where it is.
    pub state: State,
    /// A free label of whoever created it.
    pub orchestrator: Option<String>,
    /// Who created it.
    pub created_by: Actor,
    /// The request or trace that caused it.
    pub correlation: Option<String>,
    /// How it is run, such as `program`.
    #[serde(default = "program")]
    pub runtime: String,
    /// Whether it can go on after an interruption.
    #[serde(default)]
    pub is_journaled: bool,
    /// How many entries its journal has. The store counts; it is not part of what is changed.
    #[serde(skip)]
    pub entries: u64,
    /// How often a model has answered in it. The store counts.
    #[serde(skip)]
    pub turns: u64,
    /// The daemon that runs it, or did last.
    pub node: String,
    /// Which start of that daemon.
    pub epoch: u64,
    /// The program's pid, once it runs.
    pub pid: Option<u32>,
    /// When it was created.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it used and achieved.
    pub metrics: Metrics,
    /// How the program exited.
    pub exit: Option<Exit>,
    /// The last line of output, up to 500 characters.
    pub last_output: Option<String>,
    /// How many of its texts were forgotten since it ended: it is not what it was.
    #[serde(default, skip_serializing_if = "is_none")]
    pub erased: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it on like this")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Sessions from before there were others.
fn program() -> String {
    "program".to_owned()
}

/// What people are shown of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Its kind, such as `general`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Kept up to 4,000 characters; the program gets the whole task.
    pub description: String,
    /// Its priority, such as `medium`.
    pub priority: String,
}

/// What a session used and achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Input and output tokens that the program reported.
    pub tokens_used: Tokens,
    /// From its creation to its end, or until now.
    pub duration_ms: u64,
    /// 1 if its task was completed.
    pub tasks_completed: u64,
    /// 1 if its program failed.
    pub errors_encountered: u64,
    /// The time per completed task; 0 without one.
    pub average_response_time_ms: u64,
}

/// How a program exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// Its exit code, if it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

impl Session {
    /// What it holds of the backlog.
    pub fn lease(&self) -> Lease {
        Lease { org: self.org, task: self.task, fence: self.fence, session: self.id, agent: self.agent.clone() }
    }
}
