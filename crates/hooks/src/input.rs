use std::path::PathBuf;

use orchestrator_vocab::{AgentId, OrgId, SessionId, TaskId};
use serde_json::{Map, Value, json};

use crate::Event;

/// What hooks are told: what is to happen, or has.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Whose it is.
    pub org: OrgId,
    /// In which session.
    pub session: Option<SessionId>,
    /// For which task.
    pub task: Option<TaskId>,
    /// Which agent does it.
    pub agent: Option<AgentId>,
    /// Where its files are.
    pub cwd: Option<PathBuf>,
    /// The call, if it is about one.
    pub tool: Option<ToolUse>,
    /// What belongs to this event, under the names that hooks know: `prompt`, `task_subject`, `message`.
    pub facts: Map<String, Value>,
    /// Whether a hook does it: no hook is run for that.
    pub by_a_hook: bool,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolUse {
    /// Its name, such as `command.run`.
    pub name: String,
    /// Its arguments.
    pub input: Value,
    /// What tells this call from others.
    pub id: String,
    /// What it came back with, once it has.
    pub response: Option<Value>,
}

impl Input {
    /// About nothing yet.
    pub fn new(org: OrgId) -> Self {
        Self { org, session: None, task: None, agent: None, cwd: None, tool: None, facts: Map::new(), by_a_hook: false }
    }

    /// With a fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// As programs read it on standard input, and servers as the body of a request.
    pub fn to_json(&self, event: Event) -> Value {
        let mut told = self.facts.clone();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                told.insert(name.to_owned(), value);
            }
        };
        put("hook_event_name", json!(event));
        put("org_id", json!(self.org));
        put("session_id", json!(self.session));
        put("task_id", json!(self.task));
        put("agent_id", json!(self.agent));
        put("cwd", json!(self.cwd));
        if let Some(tool) = &self.tool {
            put("tool_name", json!(tool.name));
            put("tool_input", tool.input.clone());
            put("tool_use_id", json!(tool.id));
            put("tool_response", json!(tool.response));
        }
        Value::Object(told)
    }
}
