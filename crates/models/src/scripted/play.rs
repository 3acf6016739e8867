use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use orchestrator_transcript::{Delta, Opening, Origin, Stop, StopReason, StreamEvent, Usage};
use serde_json::Value;

use super::Seen;
use super::find::{Found, Match, shown};
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
    (seen, found): (&Seen, &Found),
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
    answer.add_all(&rule.say, Said { seen, found, at: None });
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
    answer.add_all(steps, Said { seen, found: &Found::new(), at: None });
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

    fn add_all(&mut self, steps: &[Step], said: Said<'_>) {
        self.turn = said.seen.turn;
        for step in steps {
            self.add(step, said);
        }
    }

    fn add(&mut self, step: &Step, said: Said<'_>) {
        match step {
            Step::Text(text) => self.block(Opening::Text, &said.fill(text), Delta::Text),
            Step::Think(Thought { text, signature }) => {
                self.events.push(StreamEvent::BlockStart { index: self.index, block: Opening::Thinking });
                self.thought += text.len();
                self.pieces(text, Delta::Thinking);
                if let Some(signature) = signature {
                    self.pieces(signature, Delta::Signature);
                }
                self.close();
            }
            Step::Call(call) => match &call.each {
                None => self.call(call, said),
                Some(each) => {
                    for at in said.found.get(each).into_iter().flatten() {
                        self.call(call, Said { at: Some((each, at)), ..said });
                    }
                }
            },
        }
    }

    fn call(&mut self, call: &ScriptedCall, said: Said<'_>) {
        self.calls += 1;
        let id = call.id.clone().unwrap_or_else(|| format!("call-{}-{}", self.turn, self.calls));
        let arguments = said.filled(&Value::Object(call.arguments.clone())).to_string();
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

/// What was said, and what of it was found.
#[derive(Clone, Copy)]
struct Said<'a> {
    seen: &'a Seen,
    found: &'a Found,
    /// The one that is spoken of; of everything else it is the first.
    at: Option<(&'a str, &'a Match)>,
}

impl Said<'_> {
    /// Puts what was said in the place of `{{first}}`, `{{last}}` and `{{results}}`, and what was found as `name` in the
    /// place of `{{name}}`, its groups in that of `{{name.1}}`, and all there are of it, one to a line, in that of
    /// `{{name.all}}`. What is put in is not looked at again.
    fn fill(&self, text: &str) -> String {
        let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, after)) = rest.split_once("{{") {
            filled.push_str(before);
            let (name, beyond) = after.split_once("}}").unwrap_or_default();
            match self.value(name) {
                Some(value) => {
                    filled.push_str(&value);
                    rest = beyond;
                }
                None => {
                    filled.push_str("{{");
                    rest = after;
                }
            }
        }
        filled + rest
    }

    fn value(&self, name: &str) -> Option<String> {
        match name {
            "first" => return Some(self.seen.first.clone()),
            "last" => return Some(self.seen.last.clone()),
            "results" => return Some(self.seen.results.join("\n")),
            _ => {}
        }
        let (name, part) = name.split_once('.').map_or((name, None), |(name, part)| (name, Some(part)));
        let all = self.found.get(name)?;
        let one = self.at.filter(|(at, _)| *at == name).map(|(_, one)| one).or(all.first())?;
        match part {
            None => Some(shown(one).to_owned()),
            Some("all") => Some(all.iter().map(shown).collect::<Vec<_>>().join("\n")),
            Some(group) => one.get(group.parse::<usize>().ok()?).cloned(),
        }
    }

    /// A list of nothing but `{{name.all}}` becomes a list of all that was found.
    fn filled(&self, value: &Value) -> Value {
        let everything = |text: &str| self.found.get(text.strip_prefix("{{")?.strip_suffix(".all}}")?);
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items)
                if let [Value::String(only)] = &items[..]
                    && let Some(all) = everything(only) =>
            {
                all.iter().map(shown).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect())
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_put_in_once() {
        let said = Said { seen: &seen("{{last}}"), found: &Found::new(), at: None };
        assert_eq!(
            said.fill("<{{first}}> {{last}} {{other}} {{results}} {{1}} {{last"),
            "<{{last}}> L {{other}} a\nb {{1}} {{last"
        );
    }

    fn seen(first: &str) -> Seen {
        let results = vec!["a".to_owned(), "b".to_owned()];
        Seen { first: first.to_owned(), last: "L".into(), results, all: Vec::new(), turn: 1 }
    }

    #[test]
    fn what_was_found_is_put_in_one_by_one_or_together() {
        let one = |text: &str| text.split(' ').map(str::to_owned).collect::<Match>();
        let found =
            Found::from([("x".to_owned(), vec![one("a=1 a 1"), one("b=2 b 2")]), ("y".to_owned(), vec![one("z")])]);
        let seen = seen("");
        let said = Said { seen: &seen, found: &found, at: None };
        assert_eq!(said.fill("{{x}} {{x.2}} {{x.0}} {{x.3}} {{y}} {{x.all}}"), "a 1 a=1 {{x.3}} z a\nb");
        let second = Said { at: Some(("x", &found["x"][1])), ..said };
        assert_eq!(second.fill("{{x}} {{y}}"), "b z");
        let arguments = serde_json::json!({ "ids": ["{{x.all}}"], "of": ["{{x.all}}", "{{x}}"] });
        assert_eq!(said.filled(&arguments), serde_json::json!({ "ids": ["a", "b"], "of": ["a\nb", "a"] }));
    }
}
