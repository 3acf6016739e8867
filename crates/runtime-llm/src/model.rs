use futures::stream::BoxStream;
use orchestrator_transcript::{Block, Digest, Message, StreamEvent};
use orchestrator_vocab::{OrgId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;

use crate::Offered;

/// Asks models. The composition root makes it of whatever finds and surrounds a model; see [`ModelError`] for what its failures
/// have to say.
pub type ModelService = BoxCloneSyncService<ModelRequest, ModelAnswer, ModelError>;

/// A whole conversation, for a model to go on with.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// Whose request it is.
    pub org: OrgId,
    /// The model that is wanted, as the operator's configuration names it; `None`: the usual one.
    pub model: Option<String>,
    /// Whether another may answer in its place.
    pub may_fall_back: bool,
    /// What the agent is told about itself.
    pub system: Vec<Block>,
    /// What was said so far; the last is not the model's.
    pub messages: Vec<Message>,
    /// What it may call.
    pub tools: Vec<Offered>,
    /// The most tokens of the answer; `None`: as many as the model gives.
    pub max_tokens: Option<u32>,
    /// From 0; `None`: the model's own.
    pub temperature: Option<f64>,
    /// How much it is to think first; `None`: as it likes.
    pub effort: Option<Effort>,
}

/// How much a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not at all.
    Off,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// A lot.
    High,
    /// As much as it can.
    Max,
}

/// An answer that has begun.
pub struct ModelAnswer {
    /// The whole of it, from its first event. Dropping it ends the request.
    pub events: BoxStream<'static, Result<StreamEvent, ModelError>>,
    /// Who answers, for people.
    pub model: String,
    /// Where to read how it came to that.
    pub trace: Option<String>,
}

/// Why there is no answer, by what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Nobody who could answer can be reached now. The work is put aside until then.
    #[error("no model can be reached: {message}")]
    Unavailable {
        /// Who was asked and what they said.
        message: String,
        /// When it is worth trying again.
        retry_at: Option<Timestamp>,
    },
    /// The answer broke off, or made no sense. What came of it counts for nothing; asking again may help.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The conversation is too long for the model.
    #[error("the conversation is too long for the model: {0}")]
    TooLong(String),
    /// The same request would fail again: an operator must look at it.
    #[error("{0}")]
    Refused(String),
}

impl ModelRequest {
    /// Of everything that decides about the answer, so that the same request is recognised.
    pub fn digest(&self) -> Digest {
        let tools: Vec<Value> =
            self.tools.iter().map(|tool| json!([tool.wire_name(), tool.description, tool.parameters])).collect();
        let whole = json!({
            "model": self.model, "mayFallBack": self.may_fall_back, "system": self.system, "messages": self.messages,
            "tools": tools, "maxTokens": self.max_tokens, "temperature": self.temperature, "effort": self.effort,
        });
        // As text: numbers beyond 2^53 have no canonical form, and a model may have written one.
        Digest::of_text(&serde_json::to_string(&whole).expect("it is JSON"))
    }
}

impl std::fmt::Debug for ModelAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelAnswer").field("model", &self.model).field("trace", &self.trace).finish_non_exhaustive()
    }
}
