use orchestrator_models::ProviderError;
use orchestrator_transcript::{Delta, Origin, Stop, StopReason, StreamEvent};
use serde::Deserialize;
use serde_json::Value;

use super::calls::{CallPiece, Calls};
use crate::blocks::{Blocks, Place};
use crate::failure;
use crate::stream::{Reader, malformed, truncated};
use crate::usage::Counted;

/// What OpenAI sends when nothing follows.
const DONE: &str = "[DONE]";

/// One event, or an answer in one piece: they differ in `delta` and `message` only.
#[derive(Debug, Deserialize)]
struct Chunk {
    id: Option<String>,
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<Counted>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    #[serde(alias = "message")]
    delta: Option<Piece>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Piece {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallPiece>>,
    /// What compatible servers call thoughts; the other half of them says `reasoning`.
    reasoning_content: Option<String>,
    reasoning: Option<String>,
}

/// Reads chat completions. The end is held back until the usage has come, or `[DONE]`, or the stream is closed properly.
#[derive(Debug)]
pub(crate) struct ChatReader {
    origin: Origin,
    begun: bool,
    over: bool,
    blocks: Blocks,
    calls: Calls,
    refusal: String,
    finish: Option<String>,
}

impl ChatReader {
    /// `origin` has the model that was asked for; `turn` is how many messages came before.
    pub(crate) fn new(origin: Origin, turn: usize) -> Self {
        Self {
            origin,
            begun: false,
            over: false,
            blocks: Blocks::default(),
            calls: Calls::new(turn),
            refusal: String::new(),
            finish: None,
        }
    }

    fn chunk(&mut self, chunk: Chunk, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(failure::in_stream(&error));
        }
        let choices = chunk.choices.unwrap_or_default();
        if choices.is_empty() && chunk.usage.is_none() {
            return Ok(());
        }
        self.begin(chunk.id, chunk.model, out);
        let only_usage = choices.is_empty();
        // Only one answer is asked for.
        for choice in choices.into_iter().filter(|choice| choice.index == 0) {
            self.piece(choice.delta.unwrap_or_default(), out)?;
            self.finish = choice.finish_reason.filter(|reason| !reason.is_empty()).or(self.finish.take());
        }
        if let Some(usage) = chunk.usage {
            out.push(StreamEvent::Usage { usage: usage.usage() });
        }
        if only_usage && self.finish.is_some() {
            self.end(out)?;
        }
        Ok(())
    }

    fn begin(&mut self, id: Option<String>, model: Option<String>, out: &mut Vec<StreamEvent>) {
        if !self.begun {
            self.begun = true;
            let model = model.filter(|model| !model.is_empty()).unwrap_or_else(|| self.origin.model.clone());
            let origin = Origin { provider: self.origin.provider.clone(), model };
            out.push(StreamEvent::Start { origin, id: id.filter(|id| !id.is_empty()) });
        }
    }

    fn piece(&mut self, piece: Piece, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        if let Some(thought) = piece.reasoning_content.or(piece.reasoning) {
            self.blocks.say(Place::Thinking(0), Delta::Thinking(thought), out);
        }
        if let Some(text) = piece.content {
            self.blocks.say(Place::Text(0, 0), Delta::Text(text), out);
        }
        if let Some(refusal) = piece.refusal {
            self.refusal.push_str(&refusal);
        }
        for call in piece.tool_calls.unwrap_or_default() {
            self.calls.take(call, &mut self.blocks, out)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        let raw = self.finish.take().ok_or_else(truncated)?;
        self.blocks.close(out);
        self.over = true;
        let reason = self.reason(&raw);
        out.push(StreamEvent::End { stop: Stop::new(reason, raw) });
        Ok(())
    }

    fn reason(&mut self, raw: &str) -> StopReason {
        let explanation = Some(std::mem::take(&mut self.refusal)).filter(|refusal| !refusal.is_empty());
        match raw {
            _ if explanation.is_some() => StopReason::Refusal { category: None, explanation },
            "content_filter" => StopReason::Refusal { category: None, explanation },
            // Also after a call that the request named.
            "stop" if self.calls.are_none() => StopReason::EndTurn,
            "stop" | "tool_calls" | "function_call" => StopReason::ToolUse,
            "length" => StopReason::MaxTokens,
            _ => StopReason::Other,
        }
    }
}

impl Reader for ChatReader {
    fn take(&mut self, data: &str, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        if data.trim() == DONE {
            return self.end(out);
        }
        let chunk = serde_json::from_str(data).map_err(|error| malformed(&error))?;
        self.chunk(chunk, out)
    }

    fn closed(&mut self, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        self.end(out)
    }

    fn whole(&mut self, answer: &str, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        self.take(answer, out)?;
        self.end(out)
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
