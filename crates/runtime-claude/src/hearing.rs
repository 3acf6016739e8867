use std::collections::{BTreeMap, BTreeSet};

use orchestrator_sessions::Entry;
use orchestrator_transcript::{Content, Message, Origin, Role, Stop, StopReason, ToolResult, Usage};
use orchestrator_vocab::{Confidentiality, Label};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::heard::{Answer, Ended, Heard, Piece};
use crate::journal;
use crate::secrecy::Secrecy;

/// A piece is held back until a word ends, so that a secret is not told in halves; at most so long, in bytes.
const HELD_MAX: usize = 4_096;
/// Calls under way that are remembered.
const CALLS_MAX: usize = 10_000;

/// What follows from what was heard.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    Publish(&'static str, Value),
    Said(String),
    /// Tokens read and written.
    Usage(u64, u64),
    Write(Entry),
    Ask {
        request: String,
        call: String,
        tool: String,
        input: Value,
        why: Option<String>,
    },
    Unable {
        request: String,
        what: String,
    },
    Withdraw {
        request: String,
    },
    /// A turn is over, and no other comes by itself.
    Over,
}

/// What is remembered of what an agent says. Pure; the time is told.
#[derive(Debug)]
pub(crate) struct Hearing {
    maker: &'static str,
    /// Known since this run.
    pub(crate) conversation: Option<String>,
    /// Why its provider did not answer last.
    pub(crate) failure: Option<String>,
    /// Seconds since 1970.
    pub(crate) limited_until: Option<i64>,
    pub(crate) ended: Option<Ended>,
    held: Option<Held>,
    pieces: u64,
    secrecy: Secrecy,
    calls: BTreeMap<String, Called>,
    /// Answers whose tokens are counted.
    counted: BTreeSet<String>,
    used: (u64, u64),
}

/// A call under way.
#[derive(Debug)]
struct Called {
    tool: String,
    begun: Instant,
    confidentiality: Confidentiality,
}

#[derive(Debug)]
struct Held {
    parent: Option<String>,
    block: u64,
    kind: &'static str,
    text: String,
}

impl Hearing {
    pub(crate) fn new(maker: &'static str, secrecy: Secrecy) -> Self {
        Self {
            maker,
            secrecy,
            conversation: None,
            failure: None,
            limited_until: None,
            ended: None,
            held: None,
            pieces: 0,
            calls: BTreeMap::new(),
            counted: BTreeSet::new(),
            used: (0, 0),
        }
    }

    pub(crate) fn hear(&mut self, heard: Heard, now: Instant) -> Vec<Effect> {
        match heard {
            Heard::Init { conversation, facts } => self.begins(conversation, facts),
            Heard::Piece { parent, block, piece } => self.piece(parent, block, piece),
            Heard::Answer(answer) => self.answers(*answer, now),
            Heard::Results { parent, results } => {
                results.into_iter().flat_map(|result| self.returns(parent.as_deref(), result, now)).collect()
            }
            Heard::Progress { call, tool, seconds } => {
                let facts = json!({ "requestId": call, "tool": tool, "status": "running",
                    "progress": { "seconds": seconds } });
                vec![Effect::Publish("tool.status", facts)]
            }
            Heard::Denied { call, reason } => {
                vec![Effect::Write(Entry::Decided { call, allowed: false, reason })]
            }
            Heard::Limited { until } => {
                self.limited_until = until;
                vec![Effect::Write(journal::noted("limited", json!({ "until": until })))]
            }
            Heard::Asks { request, call, tool, input, why } => vec![Effect::Ask { request, call, tool, input, why }],
            Heard::Wants { request, what } => vec![Effect::Unable { request, what }],
            Heard::Withdrawn { request } => vec![Effect::Withdraw { request }],
            Heard::Ended(ended) => self.ends(*ended),
        }
    }

    /// It says so again when it goes on after a pause of its own.
    fn begins(&mut self, conversation: String, facts: Value) -> Vec<Effect> {
        if self.conversation.as_ref() == Some(&conversation) {
            return Vec::new();
        }
        let entry = journal::conversation(&conversation, facts);
        self.conversation = Some(conversation);
        vec![Effect::Write(entry)]
    }

    fn piece(&mut self, parent: Option<String>, block: u64, piece: Piece) -> Vec<Effect> {
        let (kind, text) = match piece {
            Piece::Text(text) => ("text", text),
            Piece::Thinking(text) => ("thinking", text),
            Piece::Arguments(text) => ("arguments", text),
            Piece::Stop => return self.release().into_iter().collect(),
        };
        let is_same = |held: &Held| held.parent == parent && held.block == block && held.kind == kind;
        let before = if self.held.as_ref().is_some_and(is_same) { None } else { self.release() };
        let held = self.held.get_or_insert_with(|| Held { parent, block, kind, text: String::new() });
        held.text.push_str(&text);
        let word = held.text.rfind(char::is_whitespace).map(|at| at + 1);
        let end = if held.text.len() > HELD_MAX { Some(held.text.len()) } else { word };
        let ready = end.map(|end| held.text.drain(..end.min(held.text.len())).collect::<String>());
        let (parent, block, kind) = (held.parent.clone(), held.block, held.kind);
        let now = ready.and_then(|text| self.chunk(parent.as_deref(), block, kind, &text));
        before.into_iter().chain(now).collect()
    }

    fn release(&mut self) -> Option<Effect> {
        let Held { parent, block, kind, text } = self.held.take()?;
        self.chunk(parent.as_deref(), block, kind, &text)
    }

    fn chunk(&mut self, parent: Option<&str>, block: u64, kind: &str, text: &str) -> Option<Effect> {
        if text.is_empty() {
            return None;
        }
        let mut facts = json!({ "chunkType": kind, "content": text, "index": self.pieces, "block": block });
        if let Some(parent) = parent {
            facts["parent"] = json!(parent);
        }
        self.pieces += 1;
        Some(Effect::Publish("stream.chunk", facts))
    }

    fn answers(&mut self, answer: Answer, now: Instant) -> Vec<Effect> {
        let mut effects: Vec<Effect> = self.release().into_iter().collect();
        let is_counted = answer.id.clone().is_some_and(|id| !self.counted.insert(id));
        let usage = if is_counted { Usage::default() } else { answer.usage };
        effects.extend(self.count((usage.total_input(), usage.output)));
        self.failure.clone_from(&answer.error);
        for block in &answer.blocks {
            match &block.content {
                Content::Text { text } if answer.parent.is_none() => effects.push(Effect::Said(text.clone())),
                Content::ToolCall(call) => {
                    let facts = json!({ "requestId": call.id, "tool": call.name, "input": call.arguments,
                        "parent": answer.parent });
                    effects.push(Effect::Publish("tool.request", facts));
                    if self.calls.len() < CALLS_MAX {
                        let confidentiality = self.secrecy.of(&call.name, &call.arguments);
                        let called = Called { tool: call.name.clone(), begun: now, confidentiality };
                        self.calls.insert(call.id.clone(), called);
                    }
                }
                _ => {}
            }
        }
        let model = answer.model.unwrap_or_default();
        let raw = answer.stop.unwrap_or_default();
        let has_calls = answer.blocks.iter().any(|block| matches!(block.content, Content::ToolCall(_)));
        let reason = if has_calls { StopReason::ToolUse } else { StopReason::EndTurn };
        let origin = Some(Origin { provider: self.maker.to_owned(), model });
        let message = Message { role: Role::Assistant, content: answer.blocks, origin };
        effects.push(Effect::Write(Entry::Answered { message, usage, stop: Stop::new(reason, raw), trace: None }));
        effects
    }

    fn returns(&mut self, parent: Option<&str>, result: ToolResult, now: Instant) -> Vec<Effect> {
        let unknown = || Called { tool: String::new(), begun: now, confidentiality: Confidentiality::default() };
        let Called { tool, begun, confidentiality } = self.calls.remove(&result.call_id).unwrap_or_else(unknown);
        let millis = u64::try_from(now.saturating_duration_since(begun).as_millis()).unwrap_or(u64::MAX);
        let facts = json!({ "requestId": result.call_id, "tool": tool, "success": !result.is_error,
            "result": result.content, "durationMs": millis, "parent": parent });
        // Nobody vouches for it.
        let label = Label { confidentiality, ..Label::default() };
        vec![Effect::Publish("tool.result", facts), Effect::Write(Entry::Returned { result, label, millis })]
    }

    fn ends(&mut self, ended: Ended) -> Vec<Effect> {
        let mut effects: Vec<Effect> = self.release().into_iter().collect();
        if let Some(usage) = ended.usage {
            // Subagents, and what was not told answer by answer.
            let (input, output) = (usage.total_input(), usage.output);
            effects.extend(self.count((input.saturating_sub(self.used.0), output.saturating_sub(self.used.1))));
        }
        let facts = json!({ "subtype": ended.subtype, "turns": ended.turns, "costUsd": ended.cost_usd,
            "modelUsage": ended.models });
        effects.push(Effect::Write(journal::noted("result", facts)));
        if ended.queued == 0 {
            effects.push(Effect::Over);
        }
        self.ended = Some(ended);
        effects
    }

    fn count(&mut self, (input, output): (u64, u64)) -> Option<Effect> {
        self.used = (self.used.0.saturating_add(input), self.used.1.saturating_add(output));
        (input > 0 || output > 0).then_some(Effect::Usage(input, output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(hearing: &mut Hearing, said: &Value) -> Vec<Effect> {
        let heard = Heard::parse(&said.to_string()).expect("something that matters");
        hearing.hear(heard, Instant::now())
    }

    fn piece(text: &str) -> Value {
        let event =
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
        json!({ "type": "stream_event", "event": event })
    }

    fn told(effects: &[Effect]) -> String {
        let text = |effect: &Effect| match effect {
            Effect::Publish("stream.chunk", facts) => facts["content"].as_str().map(str::to_owned),
            _ => None,
        };
        effects.iter().filter_map(text).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn pieces_end_where_words_end() {
        let mut hearing = Hearing::new("claude-code", Secrecy::default());
        assert_eq!(told(&hear(&mut hearing, &piece("the key is sk-"))), "the key is ");
        assert_eq!(told(&hear(&mut hearing, &piece("12345"))), "");
        assert_eq!(told(&hear(&mut hearing, &piece(" and\nmore"))), "sk-12345 and\n");
        let stop = json!({ "type": "stream_event", "event": { "type": "content_block_stop", "index": 0 } });
        assert_eq!(told(&hear(&mut hearing, &stop)), "more");
    }

    #[test]
    fn tokens_are_counted_once_and_set_right_at_the_end() {
        let mut hearing = Hearing::new("claude-code", Secrecy::default());
        let usage = json!({ "input_tokens": 10, "output_tokens": 5 });
        let content = json!([{ "type": "text", "text": "a" }]);
        let answer = json!({ "type": "assistant", "message": { "id": "m", "content": content, "usage": usage } });
        assert!(hear(&mut hearing, &answer).contains(&Effect::Usage(10, 5)));
        let again = hear(&mut hearing, &answer);
        assert!(!again.iter().any(|effect| matches!(effect, Effect::Usage(..))), "{again:?}");
        let models = json!({ "big": { "inputTokens": 12, "outputTokens": 5 }, "small": { "inputTokens": 1 } });
        let result = json!({ "type": "result", "subtype": "success", "result": "a", "modelUsage": models });
        let ended = hear(&mut hearing, &result);
        assert!(ended.contains(&Effect::Usage(3, 0)) && ended.contains(&Effect::Over), "{ended:?}");
    }

    #[test]
    fn a_turn_that_another_follows_is_not_the_end() {
        let mut hearing = Hearing::new("claude-code", Secrecy::default());
        let result = json!({ "type": "result", "subtype": "success", "queued_turn_count": 1 });
        assert!(!hear(&mut hearing, &result).contains(&Effect::Over));
    }
}
