use serde::Deserialize;
use serde_json::{Map, Value};

/// An event of the stream. Kinds that are not here, `ping` among them, say nothing that is needed.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        index: u32,
        content_block: Map<String, Value>,
    },
    ContentBlockDelta {
        index: u32,
        delta: BlockDelta,
    },
    ContentBlockStop {
        index: u32,
    },
    MessageDelta {
        delta: Delta,
        #[serde(default)]
        usage: Option<UsageCount>,
    },
    MessageStop,
    Error {
        error: Failure,
        #[serde(default)]
        request_id: Option<String>,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) model: String,
    #[serde(default)]
    pub(crate) usage: Option<UsageCount>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum BlockDelta {
    TextDelta {
        text: String,
    },
    ThinkingDelta {
        thinking: String,
    },
    SignatureDelta {
        signature: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    CompactionDelta {
        #[serde(default)]
        content: Option<String>,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Delta {
    #[serde(default)]
    pub(crate) stop_reason: Option<String>,
    #[serde(default)]
    pub(crate) stop_sequence: Option<String>,
    #[serde(default)]
    pub(crate) stop_details: Option<StopDetails>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StopDetails {
    #[serde(default)]
    pub(crate) category: Option<String>,
    #[serde(default)]
    pub(crate) explanation: Option<String>,
}

/// Everything so far. What is left out has not changed.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct UsageCount {
    #[serde(default)]
    pub(crate) input_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) cache_creation: Option<Creation>,
    #[serde(default)]
    pub(crate) output_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Creation {
    #[serde(default)]
    pub(crate) ephemeral_5m_input_tokens: u64,
    #[serde(default)]
    pub(crate) ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct OutputDetails {
    #[serde(default)]
    pub(crate) thinking_tokens: Option<u64>,
}

/// The body of an answer that is an error.
#[derive(Debug, Deserialize)]
pub(crate) struct Failed {
    pub(crate) error: Failure,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Failure {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) details: Option<FailureDetails>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FailureDetails {
    #[serde(default)]
    pub(crate) error_code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Counted {
    pub(crate) input_tokens: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ModelsPage {
    pub(crate) data: Vec<Model>,
    #[serde(default)]
    pub(crate) has_more: bool,
    #[serde(default)]
    pub(crate) last_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
}
