use std::borrow::Cow;

use orchestrator_models::{ErrorKind, ProviderError};
use orchestrator_transcript::{Content, Opening, Origin, Stop, StopReason, StreamEvent};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::items::Items;
use crate::failure;
use crate::stream::{Reader, malformed};
use crate::usage::Counted;

#[derive(Debug, Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
}

/// More of something.
#[derive(Debug, Deserialize)]
struct Piece {
    #[serde(default)]
    output_index: u32,
    #[serde(default, alias = "summary_index")]
    content_index: u32,
    delta: String,
}

#[derive(Debug, Deserialize)]
struct ItemEvent {
    #[serde(default)]
    output_index: u32,
    item: Value,
}

#[derive(Debug, Deserialize)]
struct ResponseEvent {
    response: Answer,
}

#[derive(Debug, Deserialize)]
struct Answer {
    id: Option<String>,
    model: Option<String>,
    status: Option<String>,
    usage: Option<Counted>,
    error: Option<Value>,
    incomplete_details: Option<Incomplete>,
    output: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

/// Reads Responses.
#[derive(Debug)]
pub(crate) struct ResponsesReader {
    origin: Origin,
    begun: bool,
    over: bool,
    items: Items,
}

impl ResponsesReader {
    /// `origin` has the model that was asked for.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, begun: false, over: false, items: Items::default() }
    }

    fn event(&mut self, kind: &str, data: &str, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        match kind {
            "response.created" | "response.queued" | "response.in_progress" => {
                let ResponseEvent { response } = parse(data)?;
                self.begin(response.id, response.model, out);
            }
            "response.output_text.delta" => {
                let piece: Piece = self.inside(data, out)?;
                self.items.text(piece.output_index, piece.content_index, piece.delta, out);
            }
            "response.refusal.delta" => {
                let piece: Piece = self.inside(data, out)?;
                self.items.refuse(piece.output_index, &piece.delta);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let piece: Piece = self.inside(data, out)?;
                self.items.think(piece.output_index, piece.content_index, piece.delta, out);
            }
            "response.function_call_arguments.delta" => {
                let piece: Piece = self.inside(data, out)?;
                self.items.argue(piece.output_index, piece.delta, out)?;
            }
            "response.output_item.added" => {
                let ItemEvent { output_index, item } = self.inside(data, out)?;
                self.items.begin(output_index, &item, out)?;
            }
            "response.output_item.done" => {
                let ItemEvent { output_index, item } = self.inside(data, out)?;
                self.items.end(output_index, item, out)?;
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                let ResponseEvent { response } = parse(data)?;
                self.end(response, out)?;
            }
            "error" => return Err(failure::in_stream(&parse(data)?)),
            // There are dozens, and there will be more: what matters of them comes with its item.
            _ => {}
        }
        Ok(())
    }

    /// Parses an event that is part of the answer; some servers do not say that it begins.
    fn inside<T: DeserializeOwned>(&mut self, data: &str, out: &mut Vec<StreamEvent>) -> Result<T, ProviderError> {
        self.begin(None, None, out);
        parse(data)
    }

    fn begin(&mut self, id: Option<String>, model: Option<String>, out: &mut Vec<StreamEvent>) {
        if !self.begun {
            self.begun = true;
            let model = model.filter(|model| !model.is_empty()).unwrap_or_else(|| self.origin.model.clone());
            let origin = Origin { provider: self.origin.provider.clone(), model };
            out.push(StreamEvent::Start { origin, id: id.filter(|id| !id.is_empty()) });
        }
    }

    fn end(&mut self, answer: Answer, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        let status = answer.status.unwrap_or_default();
        if status == "failed" || answer.error.as_ref().is_some_and(|error| !error.is_null()) {
            return Err(failure::in_stream(&answer.error.unwrap_or_default()));
        }
        self.begin(answer.id, answer.model, out);
        if self.items.blocks.count() == 0 && self.items.refusal.is_empty() {
            for (at, item) in (0..).zip(answer.output.unwrap_or_default()) {
                self.items.end(at, item, out)?;
            }
        }
        let raw = match answer.incomplete_details.and_then(|details| details.reason) {
            Some(reason) if status == "incomplete" => reason,
            _ => status,
        };
        let reason = self.reason(&raw)?;
        self.items.blocks.close(out);
        if let Some(usage) = answer.usage {
            out.push(StreamEvent::Usage { usage: usage.usage() });
        }
        out.push(StreamEvent::End { stop: Stop::new(reason, raw) });
        self.over = true;
        Ok(())
    }

    fn reason(&mut self, raw: &str) -> Result<StopReason, ProviderError> {
        let explanation = Some(std::mem::take(&mut self.items.refusal)).filter(|refusal| !refusal.is_empty());
        Ok(match raw {
            "cancelled" | "in_progress" | "queued" => {
                let message = format!("the answer is {raw}, and there will be no more of it");
                return Err(ProviderError::new(ErrorKind::StreamTruncated, message));
            }
            _ if explanation.is_some() => StopReason::Refusal { category: None, explanation },
            "content_filter" => StopReason::Refusal { category: None, explanation },
            "max_output_tokens" => StopReason::MaxTokens,
            "completed" if self.items.has_calls() => StopReason::ToolUse,
            "completed" => StopReason::EndTurn,
            _ => StopReason::Other,
        })
    }

    /// Opaque blocks are this provider's.
    fn own(&self, events: &mut [StreamEvent]) {
        for event in events {
            let StreamEvent::BlockStart { block: Opening::Whole { content }, .. } = event else { continue };
            if let Content::Opaque { provider, .. } = content {
                provider.clone_from(&self.origin.provider);
            }
        }
    }
}

fn parse<T: DeserializeOwned>(data: &str) -> Result<T, ProviderError> {
    serde_json::from_str(data).map_err(|error| malformed(&error))
}

impl Reader for ResponsesReader {
    fn take(&mut self, data: &str, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        // Sent by some after the end, which has its own event here.
        if data.trim() == "[DONE]" {
            return Ok(());
        }
        let Kind { kind } = serde_json::from_str(data).map_err(|error| malformed(&error))?;
        self.event(&kind, data, out)?;
        self.own(out);
        Ok(())
    }

    fn closed(&mut self, _: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        Ok(())
    }

    fn whole(&mut self, answer: &str, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        self.end(parse(answer)?, out)?;
        self.own(out);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
