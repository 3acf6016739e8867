use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls, ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestAssistantMessageContent, ChatCompletionRequestMessage,
    ChatCompletionRequestMessageContentPartImage, ChatCompletionRequestMessageContentPartText,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestSystemMessageContent, ChatCompletionRequestToolMessage,
    ChatCompletionRequestToolMessageContent, ChatCompletionRequestUserMessage, ChatCompletionRequestUserMessageContent,
    ChatCompletionRequestUserMessageContentPart as Part, FunctionCall, ImageUrl,
};
use orchestrator_models::{ProviderError, Request};
use orchestrator_transcript::{Block, Content, ImageSource, Message, Role, ToolResult, ToolResultPart};
use serde_json::{Value, json};

use crate::images;
use crate::provider::{inexpressible, unsendable, written};

/// The conversation. A turn of ours may become several messages, because results of tools have a role of their own here.
pub(super) fn messages(request: &Request) -> Result<Vec<Value>, ProviderError> {
    let mut out = Vec::new();
    if let Some(text) = crate::provider::instructions(request)? {
        let content = ChatCompletionRequestSystemMessageContent::Text(text);
        let message = ChatCompletionRequestSystemMessage { content, name: None };
        push(&mut out, ChatCompletionRequestMessage::System(message))?;
    }
    let asked = request.messages.iter().rposition(is_asked).unwrap_or_default();
    for (at, message) in request.messages.iter().enumerate() {
        match message.role {
            Role::User => user(message, &mut out)?,
            Role::Assistant => out.extend(assistant(message, at > asked)?),
        }
    }
    Ok(out)
}

/// Whether somebody says something, and not only tools.
fn is_asked(message: &Message) -> bool {
    let is_result = |block: &Block| matches!(block.content, Content::ToolResult(_));
    message.role == Role::User && !message.content.iter().all(is_result)
}

/// Results come first, because they must follow their calls at once.
fn user(message: &Message, out: &mut Vec<Value>) -> Result<(), ProviderError> {
    let (mut shown, mut said) = (Vec::new(), Vec::new());
    for block in &message.content {
        match &block.content {
            Content::Text { text } => said.push(words(text.clone())),
            Content::Image { source } => said.push(picture(source)),
            Content::ToolResult(result) => {
                shown.extend(pictures(result));
                let content = ChatCompletionRequestToolMessageContent::Text(written(result));
                let message = ChatCompletionRequestToolMessage { content, tool_call_id: result.call_id.clone() };
                push(out, ChatCompletionRequestMessage::Tool(message))?;
            }
            other => return Err(inexpressible(other, "a user's turn")),
        }
    }
    shown.append(&mut said);
    let content = match shown.as_slice() {
        [] => return Ok(()),
        [Part::Text(only)] => ChatCompletionRequestUserMessageContent::Text(only.text.clone()),
        _ => ChatCompletionRequestUserMessageContent::Array(shown),
    };
    push(out, ChatCompletionRequestMessage::User(ChatCompletionRequestUserMessage { content, name: None }))
}

/// Pictures in results, which can be words only in this protocol, are shown by the user, who says whose they are.
fn pictures(result: &ToolResult) -> Vec<Part> {
    let sources = result.content.iter().filter_map(|part| match part {
        ToolResultPart::Image { source } => Some(picture(source)),
        ToolResultPart::Text { .. } => None,
    });
    let mut parts: Vec<_> = sources.collect();
    if !parts.is_empty() {
        parts.insert(0, words(format!("Pictures in the result of the tool call {}:", result.call_id)));
    }
    parts
}

fn words(text: String) -> Part {
    Part::Text(ChatCompletionRequestMessageContentPartText { text, ..Default::default() })
}

fn picture(source: &ImageSource) -> Part {
    let image_url = ImageUrl { url: images::url(source), detail: None };
    Part::ImageUrl(ChatCompletionRequestMessageContentPartImage { image_url, ..Default::default() })
}

/// `reasoning_content` goes back only while tools are being called for one question: some servers want it then, and some refuse it
/// afterwards.
fn assistant(message: &Message, with_reasoning: bool) -> Result<Option<Value>, ProviderError> {
    let (mut text, mut reasoning, mut calls) = (String::new(), String::new(), Vec::new());
    for block in &message.content {
        match &block.content {
            Content::Text { text: more } => text.push_str(more),
            Content::Thinking { text: more, .. } => reasoning.push_str(more),
            Content::ToolCall(call) => {
                let arguments = call.malformed.clone().unwrap_or_else(|| call.arguments.to_string());
                let function = FunctionCall { name: call.name.clone(), arguments };
                calls.push(ChatCompletionMessageToolCalls::Function(ChatCompletionMessageToolCall {
                    id: call.id.clone(),
                    function,
                }));
            }
            other => return Err(inexpressible(other, "a model's turn")),
        }
    }
    if text.is_empty() && calls.is_empty() {
        return Ok(None);
    }
    let message = ChatCompletionRequestAssistantMessage {
        content: (!text.is_empty()).then_some(ChatCompletionRequestAssistantMessageContent::Text(text)),
        tool_calls: (!calls.is_empty()).then_some(calls),
        ..Default::default()
    };
    let mut message = serde_json::to_value(ChatCompletionRequestMessage::Assistant(message)).map_err(unsendable)?;
    if with_reasoning && !reasoning.is_empty() {
        message["reasoning_content"] = json!(reasoning);
    }
    Ok(Some(message))
}

fn push(out: &mut Vec<Value>, message: ChatCompletionRequestMessage) -> Result<(), ProviderError> {
    out.push(serde_json::to_value(message).map_err(unsendable)?);
    Ok(())
}
