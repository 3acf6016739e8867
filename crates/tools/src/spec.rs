use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ToolName;

/// How long a call may take unless its tool says otherwise.
const TIMEOUT_MS: u64 = 120_000;
/// How much of what a call says is kept unless its tool says otherwise: about 12,000 tokens.
const OUTPUT_BYTES_MAX: usize = 48 * 1024;

/// What is known of a tool without calling it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// What it is called.
    pub name: ToolName,
    /// What it does and when to use it, for a model.
    pub description: String,
    /// The JSON Schema of its arguments: an object.
    pub input: Value,
    /// The JSON Schema of its structured output, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Whether it only looks: agents that may only read may call it.
    #[serde(default)]
    pub reads: bool,
    /// Whether it works in the [workspace](crate::Context::workspace), and refuses without one.
    #[serde(default)]
    pub in_workspace: bool,
    /// What calling it twice does.
    pub repeat: Repeat,
    /// How long a call may take, in milliseconds. Default 120,000.
    pub timeout_ms: u64,
    /// How many bytes of text a call may come back with; what is more is cut off, and said to be. Default 49,152.
    pub output_bytes_max: usize,
}

/// What making a call a second time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Repeat {
    /// Nothing: it reads, or says the same again.
    Harmless,
    /// Nothing, under the same [key](crate::Context::key).
    Keyed,
    /// Something.
    Effective,
}

impl Spec {
    /// A tool that takes no arguments and does something each time it is called.
    pub fn new(name: ToolName, description: impl Into<String>) -> Self {
        Self {
            name,
            description: description.into(),
            input: json!({ "type": "object", "properties": {}, "additionalProperties": false }),
            output: None,
            reads: false,
            in_workspace: false,
            repeat: Repeat::Effective,
            timeout_ms: TIMEOUT_MS,
            output_bytes_max: OUTPUT_BYTES_MAX,
        }
    }

    /// With the schema of its arguments.
    #[must_use]
    pub fn takes(self, input: Value) -> Self {
        Self { input, ..self }
    }

    /// With what calling it twice does.
    #[must_use]
    pub fn repeats(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }

    /// That only looks, and so may be called again.
    #[must_use]
    pub fn reads(self) -> Self {
        Self { reads: true, repeat: Repeat::Harmless, ..self }
    }

    /// That works in the workspace.
    #[must_use]
    pub fn in_workspace(self) -> Self {
        Self { in_workspace: true, ..self }
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}
