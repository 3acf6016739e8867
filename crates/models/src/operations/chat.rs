use orchestrator_events::Hub;
use orchestrator_redact::Redactor;
use orchestrator_rpc::{Call, Error as Refusal};
use orchestrator_transcript::{Accumulator, Block, Message, Origin, Role, Stop, StreamEvent, Usage};
use orchestrator_vocab::Label;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failed;
use super::pieces::Pieces;
use crate::{
    Ask, Attribution, Effort, ErrorKind, ProviderError, Request, Router, Target, Thinking, Tool, ToolChoice, TraceId,
};

/// The parameters of `model.chat`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatParams {
    /// `provider/model`, or a model alone if only one provider can be meant; otherwise the primary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether others may answer if the model that is named cannot. By default they may.
    #[serde(default = "yes")]
    pub may_fall_back: bool,
    /// What the model is told before the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The conversation, oldest first.
    #[schemars(length(min = 1, max = 10_000))]
    pub messages: Vec<ChatMessage>,
    /// What the model may call. Nothing is run: calls are in the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub tools: Vec<ChatTool>,
    /// Which of them it must call; by default as it sees fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ChatToolChoice>,
    /// The most tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// How much chance there is in the answer, 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f32>,
    /// How much the model shall think first; by default as its provider pleases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ChatThinking>,
    /// Texts at which the model stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub stop_sequences: Vec<String>,
    /// A word of the caller's, 1 to 100 characters: under it the pieces of the answer come as `stream.*` to those of the organisation who
    /// subscribe to them. Without it there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub stream_id: Option<String>,
}

/// A turn, with its content as a text or as blocks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatMessage {
    /// Whose turn it is.
    pub role: Role,
    /// What is said. A text is as trusted as the caller; blocks bear labels, at most that.
    pub content: ChatText,
    /// Which model wrote it, as an earlier answer told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// A text, or blocks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ChatText {
    /// Words.
    Text(String),
    /// As in the answers of `model.chat`.
    Blocks(Vec<Block>),
}

/// What a model may call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatTool {
    /// Letters, digits, `_` and `-`, up to 64.
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,64}$"))]
    pub name: String,
    /// What it does.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub parameters: serde_json::Map<String, Value>,
}

/// Which tools a model must call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatToolChoice {
    /// As it sees fit.
    Auto,
    /// At least one.
    Any,
    /// None.
    None,
    /// This one.
    Tool(String),
}

/// How much a model shall think.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatThinking {
    /// Not at all.
    Off,
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
    /// At most so many tokens.
    Budget(u32),
}

/// What `model.chat` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatResult {
    /// What the model said.
    pub message: Message,
    /// What was used.
    pub usage: Usage,
    /// Why it stopped.
    pub stop: Stop,
    /// Who answered, as it is configured.
    pub answered_by: Target,
    /// What `model.trace` tells more about.
    pub trace_id: TraceId,
}

fn yes() -> bool {
    true
}

#[derive(Clone)]
pub(super) struct Desk {
    pub(super) router: Router,
    pub(super) hub: Hub,
    pub(super) redactor: Redactor,
}

impl Desk {
    pub(super) async fn chat(&self, call: &Call, params: ChatParams) -> Result<ChatResult, Refusal> {
        let stream_id = params.stream_id.clone();
        let ask = ask(call, params)?;
        let label = ask.request.label();
        let mut answer = Box::pin(self.router.chat(ask)).await?;
        let (target, trace) = (answer.target, answer.trace);
        let mut pieces = stream_id.map(|id| Pieces::new(self.hub.clone(), &self.redactor, call.org(), id, trace));
        let mut whole = Accumulator::new(label);
        let broke = |error: &ProviderError| failed(&target, error, trace);
        while let Some(event) = next(&mut answer.stream, pieces.as_mut()).await {
            let event = event.and_then(|event| {
                let checked = whole.push(event.clone());
                checked.map_err(|error| ProviderError::new(ErrorKind::Malformed, error.to_string()))?;
                Ok(event)
            });
            match (event, &mut pieces) {
                (Ok(event), Some(pieces)) => pieces.event(&event),
                (Ok(_), None) => {}
                (Err(error), pieces) => {
                    if let Some(pieces) = pieces {
                        pieces.broke(&error);
                    }
                    return Err(broke(&error));
                }
            }
        }
        let truncated = |_| broke(&ProviderError::new(ErrorKind::StreamTruncated, "the answer has no end"));
        let reply = whole.finish().map_err(truncated)?;
        Ok(ChatResult {
            message: reply.message,
            usage: reply.usage,
            stop: reply.stop,
            answered_by: target.clone(),
            trace_id: trace,
        })
    }
}

/// The next event; while there is none, pieces that wait for company are sent in time.
async fn next(
    stream: &mut crate::ChatStream,
    mut pieces: Option<&mut Pieces>,
) -> Option<Result<StreamEvent, ProviderError>> {
    loop {
        let due = pieces.as_ref().and_then(|pieces| pieces.due());
        let Some(due) = due else { return stream.next().await };
        tokio::select! {
            event = stream.next() => return event,
            () = tokio::time::sleep_until(due) => {
                if let Some(pieces) = &mut pieces {
                    pieces.flush();
                }
            }
        }
    }
}

/// What the schema says and types do not.
fn check(params: &ChatParams) -> Result<(), Refusal> {
    let is_wrong = |field: &'static str, wrong: bool, expected: &str| match wrong {
        true => Err(Refusal::invalid_field(field, expected)),
        false => Ok(()),
    };
    let stream_id = params.stream_id.as_ref().map(|id| id.chars().count());
    is_wrong("streamId", stream_id.is_some_and(|chars| !(1..=100).contains(&chars)), "expected 1 to 100 characters")?;
    is_wrong("messages", !(1..=10_000).contains(&params.messages.len()), "expected 1 to 10000 messages")?;
    let temperature = params.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature));
    is_wrong("temperature", temperature, "expected 0 to 2")?;
    is_wrong("maxTokens", params.max_tokens == Some(0), "expected 1 or more")?;
    is_wrong("tools", params.tools.len() > 512, "expected at most 512")?;
    is_wrong("stopSequences", params.stop_sequences.len() > 16, "expected at most 16")?;
    for (number, tool) in params.tools.iter().enumerate() {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=64).contains(&tool.name.len()) || !tool.name.bytes().all(is_name) {
            let expected = "expected letters, digits, `_` and `-`, up to 64";
            return Err(Refusal::invalid_field(format!("tools[{number}].name"), expected));
        }
    }
    Ok(())
}

fn ask(call: &Call, params: ChatParams) -> Result<Ask, Refusal> {
    check(&params)?;
    let request = Request {
        model: String::new(),
        system: params.system.map(|text| Block::text(Label::USER, text)).into_iter().collect(),
        messages: params.messages.into_iter().map(message).collect(),
        tools: params.tools.into_iter().map(tool).collect(),
        tool_choice: params.tool_choice.map(tool_choice).unwrap_or_default(),
        max_tokens: params.max_tokens,
        temperature: params.temperature,
        thinking: params.thinking.map(thinking),
        stop_sequences: params.stop_sequences,
    };
    let attribution = Attribution::default();
    Ok(Ask { org: call.org(), attribution, model: params.model, may_fall_back: params.may_fall_back, request })
}

/// Nobody speaks with more authority than their own.
fn message(message: ChatMessage) -> Message {
    let content = match message.content {
        ChatText::Text(text) => vec![Block::text(Label::USER, text)],
        ChatText::Blocks(blocks) => {
            blocks.into_iter().map(|block| Block { label: block.label.join(Label::USER), ..block }).collect()
        }
    };
    Message { role: message.role, content, origin: message.origin }
}

fn tool(tool: ChatTool) -> Tool {
    Tool { name: tool.name, description: tool.description, parameters: Value::Object(tool.parameters) }
}

fn tool_choice(choice: ChatToolChoice) -> ToolChoice {
    match choice {
        ChatToolChoice::Auto => ToolChoice::Auto,
        ChatToolChoice::Any => ToolChoice::Any,
        ChatToolChoice::None => ToolChoice::None,
        ChatToolChoice::Tool(name) => ToolChoice::Tool(name),
    }
}

fn thinking(thinking: ChatThinking) -> Thinking {
    match thinking {
        ChatThinking::Off => Thinking::Off,
        ChatThinking::Minimal => Thinking::Effort(Effort::Minimal),
        ChatThinking::Low => Thinking::Effort(Effort::Low),
        ChatThinking::Medium => Thinking::Effort(Effort::Medium),
        ChatThinking::High => Thinking::Effort(Effort::High),
        ChatThinking::Max => Thinking::Effort(Effort::Max),
        ChatThinking::Budget(tokens) => Thinking::Budget { tokens },
    }
}
