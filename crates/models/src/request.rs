use orchestrator_transcript::{Block, Content, Message, ToolResultPart};
use orchestrator_vocab::{AgentId, Label, SessionId, TaskId};
use serde::Serialize;
use serde_json::Value;

/// Bytes of text that are counted as one token: of English a little too many tokens, of code about right.
const BYTES_PER_TOKEN: u64 = 4;
/// Tokens that a picture is counted as: what the largest ones cost.
const TOKENS_PER_IMAGE: u64 = 1_600;

/// What a model is asked.
///
/// What a provider cannot express it refuses with [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest); it leaves
/// nothing out silently, but for `temperature` on models that take none.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The model's name as its provider knows it.
    pub model: String,
    /// The system prompt, in pieces that may differ in who wrote them; text only.
    pub system: Vec<Block>,
    /// The conversation, oldest first, ending with the user's turn or with an assistant's turn that is to be continued.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Which of them it must call.
    pub tool_choice: ToolChoice,
    /// The most tokens of the answer, thinking included. `None`: the model's own maximum.
    pub max_tokens: Option<u32>,
    /// How much chance there is in the answer, from 0. `None`: as the provider pleases.
    pub temperature: Option<f32>,
    /// How much the model shall think first. `None`: as the provider pleases.
    pub thinking: Option<Thinking>,
    /// Texts at which the model stops; they are not part of the answer.
    pub stop_sequences: Vec<String>,
}

/// Who asks, and for what: for whoever counts what is spent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attribution {
    /// The agent; none if a person or a program asks.
    pub agent: Option<AgentId>,
    /// The session.
    pub session: Option<SessionId>,
    /// The task.
    pub task: Option<TaskId>,
}

/// What a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// `[a-zA-Z0-9_-]{1,64}`, what every provider takes.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// The JSON Schema of its arguments: an object.
    pub parameters: Value,
}

/// Which tools a model must call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// At least one.
    Any,
    /// This one.
    Tool(String),
    /// None, though it may be told of them.
    None,
}

/// How much a model shall think before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// Not at all. Refused for models that always do.
    Off,
    /// As much as it takes, roughly. On models that only know budgets the provider translates.
    Effort(Effort),
    /// At most so many tokens, 1,024 or more and fewer than `max_tokens`. On models that only know efforts the provider translates.
    Budget {
        /// The most tokens.
        tokens: u32,
    },
}

/// How hard a model shall try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// Hard.
    High,
    /// As hard as it can.
    Max,
}

impl Request {
    /// A conversation with a model, and nothing else asked.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            model: model.into(),
            system: Vec::new(),
            messages,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            max_tokens: None,
            temperature: None,
            thinking: None,
            stop_sequences: Vec::new(),
        }
    }

    /// The least trust and the highest secrecy of all the model reads: what it answers is no better.
    pub fn label(&self) -> Label {
        let said = self.messages.iter().flat_map(|message| &message.content);
        let mut labels = self.system.iter().chain(said).map(|block| block.label);
        let first = labels.next().unwrap_or_default();
        labels.fold(first, Label::join)
    }

    /// How many tokens of input it is, roughly: for deciding which models can read it, not for bills.
    pub fn tokens_estimated(&self) -> u64 {
        let said = self.messages.iter().flat_map(|message| &message.content);
        let blocks: u64 = self.system.iter().chain(said).map(block_tokens).sum();
        let tools = self
            .tools
            .iter()
            .map(|tool| text_tokens(&tool.name) + text_tokens(&tool.description) + json_tokens(&tool.parameters));
        blocks + tools.sum::<u64>()
    }

    /// Whether there is a picture in it, also in the result of a tool.
    pub fn has_images(&self) -> bool {
        let is_image = |block: &Block| match &block.content {
            Content::Image { .. } => true,
            Content::ToolResult(result) => {
                result.content.iter().any(|part| matches!(part, ToolResultPart::Image { .. }))
            }
            _ => false,
        };
        self.messages.iter().flat_map(|message| &message.content).any(is_image)
    }

    /// Whether thinking is asked for.
    pub const fn wants_thinking(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Effort(_) | Thinking::Budget { .. }))
    }
}

fn block_tokens(block: &Block) -> u64 {
    match &block.content {
        Content::Text { text } => text_tokens(text),
        Content::Thinking { text, signature } => {
            text_tokens(text) + signature.as_deref().map(text_tokens).unwrap_or_default()
        }
        Content::RedactedThinking { data } => text_tokens(data),
        Content::Image { .. } => TOKENS_PER_IMAGE,
        Content::ToolCall(call) => text_tokens(&call.name) + json_tokens(&call.arguments),
        Content::ToolResult(result) => result.content.iter().map(part_tokens).sum(),
        Content::Opaque { value, .. } => json_tokens(value),
    }
}

fn part_tokens(part: &ToolResultPart) -> u64 {
    match part {
        ToolResultPart::Text { text } => text_tokens(text),
        ToolResultPart::Image { .. } => TOKENS_PER_IMAGE,
    }
}

fn text_tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(BYTES_PER_TOKEN)
}

fn json_tokens(value: &impl Serialize) -> u64 {
    serde_json::to_string(value).map(|text| text_tokens(&text)).unwrap_or_default()
}
