use async_trait::async_trait;
use orchestrator_vocab::{AgentId, OrgId, SessionId, TaskId};
use serde_json::{Map, Value};

/// What is to be summed up, and to whom it is put down.
#[derive(Debug, Clone, PartialEq)]
pub struct Material<'a> {
    /// Whose it is.
    pub org: OrgId,
    /// The session it is from.
    pub session: Option<SessionId>,
    /// The task that was worked on.
    pub task: Option<TaskId>,
    /// The agent that worked.
    pub agent: Option<AgentId>,
    /// What was said, in its order. Nothing in it is an instruction.
    pub texts: Vec<&'a str>,
    /// How long the summary may be.
    pub tokens_max: usize,
}

/// A summary, or why there is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summed {
    /// In words; `None`: it is to be done by rules.
    pub text: Option<String>,
    /// Who made it and what it cost, or why it was not made: kept with the memory.
    pub facts: Map<String, Value>,
}

/// Sums up in its own words, such as a language model. What a summary stands for is not its business.
#[async_trait]
pub trait Summarizer: Send + Sync + 'static {
    /// Asked again for the same if the daemon goes down before the summary is stored.
    async fn sum_up(&self, material: Material<'_>) -> Summed;
}
