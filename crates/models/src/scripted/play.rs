use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use orchestrator_transcript::{Delta, Opening, Origin, Stop, StopReason, StreamEvent, Usage};
use serde_json::Value;

use super::Seen;
use super::script::{Fault, Rule, ScriptedCall, Step, Thought};
use crate::{ChatStream, ProviderError, Request};

type Item = Result<StreamEvent, ProviderError>;

/// Bytes that are counted as one token.
const BYTES_PER_TOKEN: usize = 4;
/// Characters in a piece where no rule says.
const PIECE_CHARS: usize = 16;

/// The answer of a rule, or its fault.
pub(super) async fn rule(
    provider: &str,
    request: &Request,
    rule: &Rule,
    seen: &Seen,
    input: Usage,
) -> Result<ChatStream, ProviderError> {
    let fault = rule.fault.as_ref().map(|fault| &fault.value);
    tokio::time::sleep(Duration::from_millis(rule.delay_ms)).await;
    match fault {
        Some(fault) if fault.after_pieces.is_none() && fault.silent => std::future::pending().await,
        Some(fault) if fault.after_pieces.is_none() => return Err(fault.error()),
        _ => {}
    }
    let mut answer = Answer::begin(provider, request, rule.piece_chars);
    answer.add_all(&rule.say, seen);
    answer.end(rule.stop.clone(), rule.usage, input);
    let (events, silent) = match fault {
        Some(fault) => cut(answer.events, fault),
        None => (answer.events.into_iter().map(Ok).collect(), false),
    };
    let delay = Duration::from_millis(rule.piece_delay_ms);
    let paced = stream::iter(events).then(move |item| async move {
        if matches!(item, Ok(StreamEvent::Delta { .. })) && !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        item
    });
    Ok(if silent { ChatStream::new(paced.chain(stream::pending())) } else { ChatStream::new(paced) })
}

/// An answer of these steps, at once.
pub(super) fn steps(provider: &str, request: &Request, steps: &[Step], seen: &Seen, input: Usage) -> ChatStream {
    let mut answer = Answer::begin(provider, request, PIECE_CHARS);
    answer.add_all(steps, seen);
    answer.end(None, None, input);
    ChatStream::new(stream::iter(answer.events.into_iter().map(Ok)))
}

/// What comes of an answer in which something goes wrong, and whether nothing comes then.
fn cut(events: Vec<StreamEvent>, fault: &Fault) -> (Vec<Item>, bool) {
    let mut left = fault.after_pieces.unwrap_or_default();
    let mut kept = Vec::new();
    for event in events {
        let is_piece = matches!(event, StreamEvent::Delta { .. });
        if matches!(event, StreamEvent::End { .. }) || (is_piece && left == 0) {
            break;
        }
        left -= usize::from(is_piece);
        kept.push(Ok(event));
    }
    kept.extend(fault.error.map(|_| Err(fault.error())));
    (kept, fault.silent)
}

struct Answer {
    events: Vec<StreamEvent>,
    /// Begins the ids of calls, so that they are unique within the conversation.
    turn: u32,
    index: u32,
    calls: u32,
    written: usize,
    thought: usize,
    piece_chars: usize,
}

impl Answer {
    fn begin(provider: &str, request: &Request, piece_chars: usize) -> Self {
        let origin = Origin { provider: provider.to_owned(), model: request.model.clone() };
        let events = vec![StreamEvent::Start { origin, id: None }];
        Self { events, turn: 0, index: 0, calls: 0, written: 0, thought: 0, piece_chars }
    }

    fn add_all(&mut self, steps: &[Step], seen: &Seen) {
        self.turn = seen.turn;
        for step in steps {
            self.add(step, seen);
        }
    }

    fn add(&mut self, step: &Step, seen: &Seen) {
        match step {
            Step::Text(text) => self.block(Opening::Text, &fill(text, seen), Delta::Text),
            Step::Think(Thought { text, signature }) => {
                self.events.push(StreamEvent::BlockStart { index: self.index, block: Opening::Thinking });
                self.thought += text.len();
                self.pieces(text, Delta::Thinking);
                if let Some(signature) = signature {
                    self.pieces(signature, Delta::Signature);
                }
                self.close();
            }
            Step::Call(call) => self.call(call, seen),
        }
    }

    fn call(&mut self, call: &ScriptedCall, seen: &Seen) {
        self.calls += 1;
        let id = call.id.clone().unwrap_or_else(|| format!("call-{}-{}", self.turn, self.calls));
        let arguments = filled(Value::Object(call.arguments.clone()), seen).to_string();
        let written = call.written.clone().unwrap_or(arguments);
        self.block(Opening::ToolCall { id, name: call.tool.clone() }, &written, Delta::Arguments);
    }

    fn block(&mut self, block: Opening, text: &str, delta: fn(String) -> Delta) {
        self.events.push(StreamEvent::BlockStart { index: self.index, block });
        self.pieces(text, delta);
        self.close();
    }

    fn close(&mut self) {
        self.events.push(StreamEvent::BlockStop { index: self.index });
        self.index += 1;
    }

    fn pieces(&mut self, text: &str, delta: fn(String) -> Delta) {
        self.written += text.len();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(self.piece_chars) {
            self.events.push(StreamEvent::Delta { index: self.index, delta: delta(piece.iter().collect()) });
        }
    }

    fn end(&mut self, stop: Option<StopReason>, usage: Option<Usage>, input: Usage) {
        let output = self.written.div_ceil(BYTES_PER_TOKEN) as u64;
        let reasoning = self.thought.div_ceil(BYTES_PER_TOKEN) as u64;
        let usage = usage.unwrap_or(Usage { output, reasoning, ..input });
        let natural = if self.calls > 0 { StopReason::ToolUse } else { StopReason::EndTurn };
        let reason = stop.unwrap_or(natural);
        let raw = reason.as_str();
        self.events.push(StreamEvent::Usage { usage });
        self.events.push(StreamEvent::End { stop: Stop::new(reason, raw) });
    }
}

/// Puts what was said in the place of `{{first}}`, `{{last}}` and `{{results}}`. What is put in is not looked at again.
fn fill(text: &str, seen: &Seen) -> String {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, beyond) = after.split_once("}}").unwrap_or_default();
        match name {
            "first" => filled.push_str(&seen.first),
            "last" => filled.push_str(&seen.last),
            "results" => filled.push_str(&seen.results.join("\n")),
            _ => {
                filled.push_str("{{");
                rest = after;
                continue;
            }
        }
        rest = beyond;
    }
    filled + rest
}

fn filled(value: Value, seen: &Seen) -> Value {
    match value {
        Value::String(text) => Value::String(fill(&text, seen)),
        Value::Array(items) => items.into_iter().map(|item| filled(item, seen)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, filled(value, seen))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_put_in_once() {
        let seen = Seen { first: "{{last}}".into(), last: "L".into(), results: vec!["a".into(), "b".into()], turn: 1 };
        assert_eq!(
            fill("<{{first}}> {{last}} {{other}} {{results}} {{last", &seen),
            "<{{last}}> L {{other}} a\nb {{last"
        );
    }
}
