use orchestrator_models::{ProviderError, Request};
use orchestrator_transcript::{Content, ImageSource, Message, Role, ToolCall, ToolResult, ToolResultPart};
use serde_json::json;

use super::refused;
use crate::family::Family;
use crate::wire::{Block, Part, Piece, Source, Turn};

/// The conversation. A turn of which nothing can be sent is left out; turns of one side that follow each other are one upstream.
pub(super) fn turns<'a>(provider: &str, family: Family, request: &'a Request) -> Result<Vec<Turn<'a>>, ProviderError> {
    let mut turns = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        let content = content(provider, family, &request.model, message)?;
        if !content.is_empty() {
            let role = if message.role == Role::User { "user" } else { "assistant" };
            turns.push(Turn { role, content });
        }
    }
    if turns.is_empty() {
        return Err(refused("there is nothing to answer"));
    }
    Ok(turns)
}

fn content<'a>(
    provider: &str,
    family: Family,
    model: &str,
    message: &'a Message,
) -> Result<Vec<Piece<'a>>, ProviderError> {
    let mut pieces: Vec<Piece<'a>> = Vec::with_capacity(message.content.len());
    let takes_thoughts = takes_thoughts(provider, family, model, message);
    for block in &message.content {
        let block = match &block.content {
            // Empty text is refused upstream.
            Content::Text { text } if text.is_empty() => continue,
            Content::Text { text } => Block::Text { text },
            Content::Image { source } => Block::Image { source: source.into() },
            Content::Thinking { .. } | Content::RedactedThinking { .. } if !takes_thoughts => continue,
            // Without a proof it is refused upstream.
            Content::Thinking { signature: None, .. } => continue,
            Content::Thinking { text, signature: Some(signature) } => Block::Thinking { thinking: text, signature },
            Content::RedactedThinking { data } => Block::RedactedThinking { data },
            Content::ToolCall(call) => tool_use(call),
            Content::ToolResult(result) => tool_result(result),
            Content::Opaque { provider: maker, .. } if maker != provider => continue,
            Content::Opaque { value, .. } if value.is_object() => Block::Opaque(value),
            Content::Opaque { .. } => return Err(refused("an opaque block is not an object")),
        };
        pieces.push(block.into());
    }
    // Results stand before words, or they are refused upstream.
    pieces.sort_by_key(|piece| !matches!(piece.block, Block::ToolResult { .. }));
    Ok(pieces)
}

/// Thinking goes back to the provider that sent it and, where that matters, to the model. A name may stand for a dated one.
fn takes_thoughts(provider: &str, family: Family, model: &str, message: &Message) -> bool {
    let Some(origin) = message.origin.as_ref().filter(|origin| origin.provider == provider) else { return false };
    let is_same = origin.model.starts_with(model) || model.starts_with(&origin.model);
    is_same || !family.refuses_thoughts_of_others
}

/// A call that was no JSON object is sent as what it was, in an object: the protocol takes nothing else.
fn tool_use(call: &ToolCall) -> Block<'_> {
    let input = match &call.malformed {
        Some(written) => json!({ "malformed": written }),
        None => call.arguments.clone(),
    };
    Block::ToolUse { id: &call.id, name: &call.name, input }
}

fn tool_result(result: &ToolResult) -> Block<'_> {
    let parts = result.content.iter().filter_map(|part| match part {
        ToolResultPart::Text { text } => (!text.is_empty()).then_some(Part::Text { text }),
        ToolResultPart::Image { source } => Some(Part::Image { source: source.into() }),
    });
    Block::ToolResult { tool_use_id: &result.call_id, content: parts.collect(), is_error: result.is_error }
}

impl<'a> From<&'a ImageSource> for Source<'a> {
    fn from(source: &'a ImageSource) -> Self {
        match source {
            ImageSource::Base64 { media_type, data } => Self::Base64 { media_type, data },
            ImageSource::Url { url } => Self::Url { url },
        }
    }
}
