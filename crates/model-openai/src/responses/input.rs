use async_openai::types::responses::{
    EasyInputContent, EasyInputMessage, FunctionCallOutput, FunctionCallOutputItemParam, FunctionToolCall, ImageDetail,
    InputContent, InputImageContent, InputTextContent, Item, MessageType, Role as Speaker,
};
use orchestrator_models::{ProviderError, Request};
use orchestrator_transcript::{Block, Content, ImageSource, Message, Role, ToolCall, ToolResult, ToolResultPart};
use serde::Serialize;
use serde_json::{Value, json};

use crate::images;
use crate::provider::{inexpressible, unsendable, written};

/// The conversation as items, in their order. Ids of items are left out, because nothing is stored that they could name.
pub(super) fn input(request: &Request) -> Result<Vec<Value>, ProviderError> {
    let mut out = Vec::new();
    for message in &request.messages {
        match message.role {
            Role::User => user(message, &mut out)?,
            Role::Assistant => assistant(message, &mut out)?,
        }
    }
    Ok(out)
}

fn user(message: &Message, out: &mut Vec<Value>) -> Result<(), ProviderError> {
    let mut said = Vec::new();
    for block in &message.content {
        match &block.content {
            Content::Text { text } => said.push(words(text)),
            Content::Image { source } => said.push(picture(source)),
            Content::ToolResult(result) => {
                say(&mut said, out)?;
                out.push(item(Item::FunctionCallOutput(FunctionCallOutputItemParam {
                    call_id: Some(result.call_id.clone()),
                    output: output(result),
                    ..blank_output()
                }))?);
            }
            other => return Err(inexpressible(other, "a user's turn")),
        }
    }
    say(&mut said, out)
}

fn say(said: &mut Vec<InputContent>, out: &mut Vec<Value>) -> Result<(), ProviderError> {
    if !said.is_empty() {
        out.push(speech(Speaker::User, EasyInputContent::ContentList(std::mem::take(said)))?);
    }
    Ok(())
}

fn assistant(message: &Message, out: &mut Vec<Value>) -> Result<(), ProviderError> {
    for Block { content, .. } in &message.content {
        match content {
            Content::Text { text } if text.is_empty() => {}
            Content::Text { text } => out.push(speech(Speaker::Assistant, EasyInputContent::Text(text.clone()))?),
            Content::Thinking { text, signature } => out.extend(signature.as_ref().map(|proof| reasoning(text, proof))),
            Content::ToolCall(call) => out.push(item(Item::FunctionCall(function_call(call)))?),
            // Whose they are was decided before.
            Content::Opaque { value, .. } => out.push(value.clone()),
            other => return Err(inexpressible(other, "a model's turn")),
        }
    }
    Ok(())
}

/// Without its encrypted form there is nothing that a model could read.
fn reasoning(summary: &str, encrypted: &str) -> Value {
    let summary = match summary {
        "" => json!([]),
        text => json!([{ "type": "summary_text", "text": text }]),
    };
    json!({ "type": "reasoning", "summary": summary, "encrypted_content": encrypted })
}

fn function_call(call: &ToolCall) -> FunctionToolCall {
    FunctionToolCall {
        arguments: call.malformed.clone().unwrap_or_else(|| call.arguments.to_string()),
        call_id: call.id.clone(),
        namespace: None,
        name: call.name.clone(),
        id: None,
        status: None,
        caller: None,
        r#async: None,
    }
}

fn output(result: &ToolResult) -> FunctionCallOutput {
    let is_text = |part: &ToolResultPart| matches!(part, ToolResultPart::Text { .. });
    if result.content.iter().all(is_text) {
        return FunctionCallOutput::Text(written(result));
    }
    let failed = result.is_error.then(|| words(crate::provider::FAILED));
    let parts = result.content.iter().map(|part| match part {
        ToolResultPart::Text { text } => words(text),
        ToolResultPart::Image { source } => picture(source),
    });
    FunctionCallOutput::Content(failed.into_iter().chain(parts).collect())
}

fn blank_output() -> FunctionCallOutputItemParam {
    FunctionCallOutputItemParam {
        call_id: None,
        output: FunctionCallOutput::Text(String::new()),
        id: None,
        status: None,
        name: None,
        namespace: None,
        caller: None,
    }
}

fn words(text: &str) -> InputContent {
    InputContent::InputText(InputTextContent { text: text.to_owned(), prompt_cache_breakpoint: None })
}

fn picture(source: &ImageSource) -> InputContent {
    InputContent::InputImage(InputImageContent {
        detail: ImageDetail::Auto,
        file_id: None,
        image_url: Some(images::url(source)),
        prompt_cache_breakpoint: None,
    })
}

fn speech(role: Speaker, content: EasyInputContent) -> Result<Value, ProviderError> {
    item(EasyInputMessage { r#type: MessageType::Message, role, content, phase: None })
}

fn item(item: impl Serialize) -> Result<Value, ProviderError> {
    serde_json::to_value(item).map_err(unsendable)
}
