use std::collections::{BTreeMap, VecDeque};

use orchestrator_transcript::{BYTES_MAX, Content, Delta, Opening, StreamEvent};
use serde_json::{Map, Value};

use crate::wire::BlockDelta;

/// The blocks of one answer.
#[derive(Debug)]
pub(super) struct Blocks {
    provider: String,
    open: BTreeMap<u32, Open>,
    last: Option<u32>,
    held_bytes: usize,
}

#[derive(Debug)]
enum Open {
    Text,
    Thinking,
    /// A call whose arguments may all have come at once; what comes in pieces replaces them.
    Call {
        arguments: Option<String>,
    },
    /// It came at once.
    Whole,
    /// A kind of its own, which is held back until it is whole.
    Held {
        block: Map<String, Value>,
        input: String,
    },
}

type Ready = VecDeque<StreamEvent>;
/// How a block begins, and what is already in it.
type Told = (Opening, Vec<Delta>);

impl Blocks {
    pub(super) fn new(provider: &str) -> Self {
        Self { provider: provider.to_owned(), open: BTreeMap::new(), last: None, held_bytes: 0 }
    }

    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn open(&mut self, index: u32, block: Map<String, Value>, ready: &mut Ready) -> Result<(), String> {
        if self.last.is_some_and(|last| index <= last) {
            return Err(format!("block {index} is out of order"));
        }
        // What is held back is told late, so it must be the last.
        if self.open.values().any(|open| matches!(open, Open::Held { .. })) {
            return Err(format!("block {index} begins before the end of the one before"));
        }
        self.last = Some(index);
        let (open, told) = opened(block).map_err(|problem| format!("block {index} {problem}"))?;
        if let Some((block, first)) = told {
            ready.push_back(StreamEvent::BlockStart { index, block });
            let first = first.into_iter().filter(|delta| !delta.as_str().is_empty());
            ready.extend(first.map(|delta| StreamEvent::Delta { index, delta }));
        }
        self.open.insert(index, open);
        Ok(())
    }

    pub(super) fn fill(&mut self, index: u32, delta: BlockDelta, ready: &mut Ready) -> Result<(), String> {
        let open = self.open.get_mut(&index).ok_or_else(|| format!("block {index} is not open"))?;
        let delta = match (open, delta) {
            (Open::Text, BlockDelta::TextDelta { text }) => Delta::Text(text),
            (Open::Thinking, BlockDelta::ThinkingDelta { thinking }) => Delta::Thinking(thinking),
            (Open::Thinking, BlockDelta::SignatureDelta { signature }) => Delta::Signature(signature),
            (Open::Call { arguments }, BlockDelta::InputJsonDelta { partial_json }) => {
                // The first piece is often empty.
                if !partial_json.is_empty() {
                    *arguments = None;
                }
                Delta::Arguments(partial_json)
            }
            (Open::Held { block, input }, delta) => {
                let bytes = hold(block, input, delta);
                self.held_bytes = self.held_bytes.saturating_add(bytes);
                return if self.held_bytes > BYTES_MAX { Err("the answer is too long".into()) } else { Ok(()) };
            }
            // Where in a source a text is from has no place in a transcript.
            (_, BlockDelta::Unknown) => return Ok(()),
            _ => return Err(format!("block {index} does not take this kind of delta")),
        };
        if !delta.as_str().is_empty() {
            ready.push_back(StreamEvent::Delta { index, delta });
        }
        Ok(())
    }

    pub(super) fn close(&mut self, index: u32, ready: &mut Ready) -> Result<(), String> {
        match self.open.remove(&index).ok_or_else(|| format!("block {index} is not open"))? {
            Open::Call { arguments: Some(arguments) } => {
                ready.push_back(StreamEvent::Delta { index, delta: Delta::Arguments(arguments) });
            }
            Open::Held { mut block, input } => {
                if !input.is_empty() {
                    let input = serde_json::from_str(&input);
                    let input: Value = input.map_err(|error| format!("the input of block {index}: {error}"))?;
                    block.insert("input".into(), input);
                }
                let content = Content::Opaque { provider: self.provider.clone(), value: Value::Object(block) };
                ready.push_back(StreamEvent::BlockStart { index, block: Opening::Whole { content } });
            }
            Open::Text | Open::Thinking | Open::Whole | Open::Call { arguments: None } => {}
        }
        ready.push_back(StreamEvent::BlockStop { index });
        Ok(())
    }
}

/// What a block is, and what is told of it at once.
fn opened(block: Map<String, Value>) -> Result<(Open, Option<Told>), &'static str> {
    let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(match block.get("type").and_then(Value::as_str).unwrap_or_default() {
        "text" => (Open::Text, Some((Opening::Text, vec![Delta::Text(text("text"))]))),
        "thinking" => {
            let first = vec![Delta::Thinking(text("thinking")), Delta::Signature(text("signature"))];
            (Open::Thinking, Some((Opening::Thinking, first)))
        }
        "redacted_thinking" => {
            let content = Content::RedactedThinking { data: text("data") };
            (Open::Whole, Some((Opening::Whole { content }, vec![])))
        }
        "tool_use" => {
            let (id, name) = (text("id"), text("name"));
            if id.is_empty() || name.is_empty() {
                return Err("is a call without an id or a name");
            }
            let is_empty = |input: &&Value| input.as_object().is_some_and(Map::is_empty);
            let arguments = block.get("input").filter(|input| !is_empty(input)).map(Value::to_string);
            (Open::Call { arguments }, Some((Opening::ToolCall { id, name }, vec![])))
        }
        _ => (Open::Held { block, input: String::new() }, None),
    })
}

/// Adds to a block of a kind of its own: the input of a tool that the provider runs itself, a summary of the past.
fn hold(block: &mut Map<String, Value>, input: &mut String, delta: BlockDelta) -> usize {
    match delta {
        BlockDelta::InputJsonDelta { partial_json } => {
            input.push_str(&partial_json);
            partial_json.len()
        }
        BlockDelta::CompactionDelta { content: Some(more) } => {
            let bytes = more.len();
            match block.get_mut("content") {
                Some(Value::String(content)) => content.push_str(&more),
                _ => drop(block.insert("content".into(), more.into())),
            }
            bytes
        }
        _ => 0,
    }
}
