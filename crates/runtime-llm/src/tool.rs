use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use orchestrator_sessions::{Repeat, Session};
use orchestrator_transcript::{Message, ToolCall, ToolResultPart};
use orchestrator_vocab::Label;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A tool as a model and its runtime know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offered {
    /// Its name, such as `fs.read`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// The JSON Schema of its arguments: an object.
    pub parameters: Value,
    /// What a repeated call would do.
    pub repeat: Repeat,
}

impl Offered {
    /// As models call it: providers know letters, digits, `_` and `-`, so each dot is a `_`.
    pub fn wire_name(&self) -> String {
        self.name.replace('.', "_")
    }
}

/// Told how far a call is; may be called often.
pub type Progress = Arc<dyn Fn(Value) + Send + Sync>;

/// A call that an agent wants to make.
#[derive(Clone)]
pub struct ToolRequest {
    /// Whose it is, and who wants it.
    pub session: Arc<Session>,
    /// What.
    pub call: ToolCall,
    /// The tool's own name.
    pub tool: String,
    /// The same for the same call of the same session, also after a crash.
    pub key: String,
    /// Of the words that led to the call.
    pub label: Label,
    /// What [stands](ToolAnswer::standing) in the session, in the order in which it came.
    pub standing: Vec<Value>,
    /// Cancelled when nobody wants the result any more.
    pub cancel: CancellationToken,
    /// Told how far it is.
    pub progress: Progress,
}

/// A call that may be made, once, by awaiting it. Dropping it before makes nothing.
pub struct Permitted {
    /// By what rule it may.
    pub reason: String,
    /// Makes it.
    pub run: BoxFuture<'static, ToolAnswer>,
}

/// A call that is not made, or not now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It may not be made. The agent is told why.
    #[error("{reason}")]
    Denied {
        /// Why, for the agent and for people.
        reason: String,
    },
    /// A person has to confirm it first. The session waits, and asks again once `session.rule` has told it that they did.
    #[error("{reason}")]
    Waits {
        /// What they answer to.
        approval: String,
        /// Why, for people.
        reason: String,
    },
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// What the agent is told.
    pub content: Vec<ToolResultPart>,
    /// Whether it failed.
    pub is_error: bool,
    /// Whose words those are.
    pub label: Label,
    /// What holds from now on for the rest of the session, in the words of whoever made the [`Toolbox`]: it is written down with the
    /// answer, and told with every request that comes after.
    pub standing: Option<Value>,
}

/// What the words of whoever gave the work bring about before a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// What the agent is told behind them.
    pub message: Message,
    /// What holds from then on.
    pub standing: Value,
}

impl ToolAnswer {
    /// A failure in words.
    pub fn failed(text: impl Into<String>) -> Self {
        let content = vec![ToolResultPart::Text { text: text.into() }];
        Self { content, is_error: true, label: Label::USER, standing: None }
    }
}

/// The tools of one agent. Whether a call may be made is decided by it, and by nobody else.
#[async_trait]
pub trait Toolbox: Send + Sync {
    /// What the agent may be told of while this stands, in a stable order.
    fn offered(&self, standing: &[Value]) -> Vec<Offered>;

    /// Asked before the work begins: what the words of whoever gave it bring about by themselves. Asked again if the daemon goes down
    /// before the beginning is written.
    ///
    /// # Errors
    /// [`Refused`]: the work fails with it. Default: nothing.
    async fn open(&self, session: &Session, words: &str, label: Label) -> Result<Option<Opening>, Refused> {
        let _ = (session, words, label);
        Ok(None)
    }

    /// Asks for a call to be allowed. Nothing happens before what it returns is awaited.
    ///
    /// # Errors
    /// [`Refused`], also for a tool that does not exist. It is told to the agent, and not tried again by itself.
    async fn permit(&self, request: ToolRequest) -> Result<Permitted, Refused>;

    /// Whether a conversation that is too long for its model may be made shorter, after so many times. It is asked before that
    /// is written down.
    ///
    /// # Errors
    /// [`Refused`]: the work fails with it. Default: it may.
    async fn may_compact(&self, session: &Session, compactions: u32) -> Result<(), Refused> {
        let _ = (session, compactions);
        Ok(())
    }
}

/// For agents that only talk.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTools;

#[async_trait]
impl Toolbox for NoTools {
    fn offered(&self, _: &[Value]) -> Vec<Offered> {
        Vec::new()
    }

    async fn permit(&self, request: ToolRequest) -> Result<Permitted, Refused> {
        Err(Refused::Denied { reason: format!("this agent has no tools, so no {}", request.tool) })
    }
}

impl std::fmt::Debug for ToolRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolRequest").field("tool", &self.tool).field("key", &self.key).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Permitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permitted").field("reason", &self.reason).finish_non_exhaustive()
    }
}
