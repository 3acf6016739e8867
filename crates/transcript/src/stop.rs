use serde::{Deserialize, Serialize};

/// Why a model stopped, in everybody's words and in its provider's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stop {
    /// What it means.
    pub reason: StopReason,
    /// What the provider sent, such as `end_turn` or `stop`.
    pub raw: String,
}

/// Why a model stopped. What to do about it differs for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum StopReason {
    /// It has said what it had to say.
    EndTurn,
    /// It came upon one of the sequences it was given.
    StopSequence {
        /// Which, if the provider says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sequence: Option<String>,
    },
    /// The answer is cut off at the number of tokens it was allowed: continue, or allow more.
    MaxTokens,
    /// It waits for results of tools.
    ToolUse,
    /// Its provider paused a long turn: send what it said back, and it goes on.
    PauseTurn,
    /// It, or a filter of its provider, refuses.
    Refusal {
        /// Such as `cyber`, `bio` or `general_harms`, if the provider says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        category: Option<String>,
        /// In the provider's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explanation: Option<String>,
    },
    /// The conversation has become too long for the model: make it shorter.
    ModelContextWindowExceeded,
    /// The provider made the conversation shorter by itself: continue with the block it left.
    Compaction,
    /// Something newer than this crate; `raw` has it.
    Other,
}

impl Stop {
    /// A reason with the provider's own word for it.
    pub fn new(reason: StopReason, raw: impl Into<String>) -> Self {
        Self { reason, raw: raw.into() }
    }
}

impl StopReason {
    /// One word for it, as on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::StopSequence { .. } => "stop_sequence",
            Self::MaxTokens => "max_tokens",
            Self::ToolUse => "tool_use",
            Self::PauseTurn => "pause_turn",
            Self::Refusal { .. } => "refusal",
            Self::ModelContextWindowExceeded => "model_context_window_exceeded",
            Self::Compaction => "compaction",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_word_is_that_of_the_wire() {
        let refusal = StopReason::Refusal { category: Some("bio".into()), explanation: None };
        for reason in [StopReason::EndTurn, StopReason::ModelContextWindowExceeded, refusal] {
            let wire = serde_json::to_value(Stop::new(reason.clone(), "raw")).unwrap();
            assert_eq!(wire["reason"]["kind"], json!(reason.as_str()));
        }
    }
}
