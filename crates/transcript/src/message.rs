use orchestrator_vocab::Label;
use serde::{Deserialize, Serialize};

use crate::{Block, Content, ToolCall};

/// Whose turn a message is.
///
/// There is no role for the system prompt, which a request carries beside its messages, and none for tools: a result is a
/// block of the user's turn. A protocol that has such roles splits the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What the model is told: a person's words, results of tools.
    User,
    /// What the model said.
    Assistant,
}

/// Which model wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Origin {
    /// The name of the provider as it is configured.
    pub provider: String,
    /// The model as the provider named it in its answer.
    pub model: String,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    /// Whose turn it is.
    pub role: Role,
    /// In the order they were said.
    pub content: Vec<Block>,
    /// Which model wrote it; only on what a model wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl Message {
    /// What the model is told, with the label of whoever says it.
    pub fn user(label: Label, text: impl Into<String>) -> Self {
        Self { role: Role::User, content: vec![Block::text(label, text)], origin: None }
    }

    /// The least trust and the highest secrecy of its blocks; of an empty message, the label of nothing said by anyone.
    pub fn label(&self) -> Label {
        let mut labels = self.content.iter().map(|block| block.label);
        let first = labels.next().unwrap_or_default();
        labels.fold(first, Label::join)
    }

    /// The text blocks, one after the other.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(|block| block.content.as_text()).collect()
    }

    /// The calls of tools, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.content.iter().filter_map(|block| match &block.content {
            Content::ToolCall(call) => Some(call),
            _ => None,
        })
    }

    /// The message as `provider` may be sent it: what only its maker understands (thinking, redacted and opaque blocks) is
    /// left out if another provider wrote it. Signatures of one are refused by another.
    #[must_use]
    pub fn for_provider(&self, provider: &str) -> Self {
        let own = self.origin.as_ref().is_some_and(|origin| origin.provider == provider);
        let understood = |block: &&Block| match &block.content {
            Content::Thinking { .. } | Content::RedactedThinking { .. } => own,
            Content::Opaque { provider: maker, .. } => maker == provider,
            _ => true,
        };
        Self { content: self.content.iter().filter(understood).cloned().collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::{Confidentiality, Integrity};

    use super::*;

    #[test]
    fn thinking_goes_back_to_its_maker_only() {
        let thinking = Content::Thinking { text: "hm".into(), signature: Some("sig".into()) };
        let origin = Origin { provider: "a".into(), model: "m".into() };
        let content = vec![Block::new(Label::USER, thinking), Block::text(Label::USER, "yes")];
        let message = Message { role: Role::Assistant, content, origin: Some(origin) };
        assert_eq!(message.for_provider("a"), message);
        assert_eq!(message.for_provider("b").content, [Block::text(Label::USER, "yes")]);
        assert_eq!(Message { origin: None, ..message }.for_provider("a").content.len(), 1);
    }

    #[test]
    fn a_message_is_as_secret_as_its_most_secret_block() {
        let secret = Label { integrity: Integrity::Operator, confidentiality: Confidentiality::Secret };
        let content = vec![Block::text(Label::USER, "a"), Block::text(secret, "b")];
        let label = Message { role: Role::User, content, origin: None }.label();
        assert_eq!(label, Label { integrity: Integrity::User, confidentiality: Confidentiality::Secret });
    }
}
