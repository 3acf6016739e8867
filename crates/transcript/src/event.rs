use serde::{Deserialize, Serialize};

use crate::{Content, Origin, Stop, Usage};

/// A piece of an answer as it arrives.
///
/// A whole answer is one `start`, then blocks (each opened, filled and closed; several may be open at once) with `usage`
/// anywhere between, then one `end`, and nothing after it. An answer without its `end` is not whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum StreamEvent {
    /// The model has begun.
    Start {
        /// Who answers.
        origin: Origin,
        /// The provider's id of the answer, if it gives one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// A block begins.
    BlockStart {
        /// Its place in the message, counted from 0 in the order of the message; places may be left out, never used twice.
        index: u32,
        /// What it is.
        block: Opening,
    },
    /// More of an open block.
    Delta {
        /// The block's place.
        index: u32,
        /// More of it.
        delta: Delta,
    },
    /// A block is whole.
    BlockStop {
        /// The block's place.
        index: u32,
    },
    /// What was used so far, all of it: a later one replaces an earlier one.
    Usage {
        /// Everything so far.
        usage: Usage,
    },
    /// The answer is whole.
    End {
        /// Why there is no more.
        stop: Stop,
    },
}

/// How a block begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Opening {
    /// Empty, to be filled with [`Delta::Text`].
    Text,
    /// Empty, to be filled with [`Delta::Thinking`] and [`Delta::Signature`].
    Thinking,
    /// A call without its arguments, to be filled with [`Delta::Arguments`].
    ToolCall {
        /// What its result will refer to.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// A block that comes at once; it takes no deltas, but is closed like every other.
    Whole {
        /// All of it.
        content: Content,
    },
}

/// More of a block. Nothing is in two deltas: the block is their concatenation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "text", rename_all = "camelCase")]
pub enum Delta {
    /// Of a text.
    Text(String),
    /// Of thinking.
    Thinking(String),
    /// Of the signature of thinking.
    Signature(String),
    /// Of the JSON text of a call's arguments; a delta may end anywhere in it.
    Arguments(String),
}

impl Delta {
    /// What it adds.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Thinking(text) | Self::Signature(text) | Self::Arguments(text) => text,
        }
    }
}

impl StreamEvent {
    /// Whether a reader sees something of the answer: from here on, nobody else may answer instead.
    pub fn is_content(&self) -> bool {
        match self {
            Self::BlockStart { block, .. } => matches!(block, Opening::Whole { .. } | Opening::ToolCall { .. }),
            Self::Delta { delta, .. } => !delta.as_str().is_empty(),
            Self::Start { .. } | Self::BlockStop { .. } | Self::Usage { .. } | Self::End { .. } => false,
        }
    }
}
