//! What is in a session's journal, as episodes: what was said and answered, and what tools came to. What was recalled is no episode:
//! nothing is learned from what was known.

use orchestrator_memory::{Draft, Kind, Scope, TEXT_BYTES_MAX, Tier};
use orchestrator_sessions::{Entry, Numbered, Session};
use orchestrator_transcript::{Block, Content, Message, ToolCall, ToolResult, ToolResultPart};
use orchestrator_vocab::Label;
use serde_json::{Value, json};

/// Of an answer of a tool so much is kept, its beginning and its end.
const RESULT_BYTES_MAX: usize = 8_192;
/// Of the arguments of a call.
const ARGUMENTS_BYTES_MAX: usize = 400;
/// Tools that tell what is remembered.
const MEMORY: [&str; 2] = ["memory.", "memory_"];

/// The number of an entry, in the metadata of its episode.
pub(crate) const ENTRY: &str = "entry";

/// Reads a journal; it has to see every entry once, in their order.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Calls by their ids, and by which tools.
    calls: Vec<ToolCall>,
}

impl Reader {
    /// What an entry is remembered as, if at all; what place it has is up to the caller.
    pub(crate) fn read(&mut self, session: &Session, scope: &Scope, numbered: &Numbered) -> Option<Draft> {
        let (kind, text, label) = match &numbered.entry {
            Entry::Began { message, .. } => (Kind::Turn, words(message), message.label()),
            Entry::Input { by, content } => {
                let label = content.iter().map(|block| block.label).reduce(Label::join).unwrap_or_default();
                (Kind::Turn, format!("{by}: {}", text_of(content)), label)
            }
            Entry::Answered { message, .. } => {
                self.calls.extend(message.content.iter().filter_map(|block| match &block.content {
                    Content::ToolCall(call) => Some(call.clone()),
                    _ => None,
                }));
                (Kind::Turn, answered(session, message), message.label())
            }
            Entry::Returned { result, label, .. } => {
                let call = self.calls.iter().rev().find(|call| call.id == result.call_id)?;
                if MEMORY.iter().any(|memory| call.name.starts_with(memory)) {
                    return None;
                }
                (Kind::ToolResult, returned(call, result), *label)
            }
            _ => return None,
        };
        if text.trim().is_empty() {
            return None;
        }
        let metadata = json!({ ENTRY: numbered.number });
        Some(Draft {
            scope: scope.clone(),
            label,
            session: Some(session.id),
            task: Some(session.task),
            agent: Some(session.agent.clone()),
            sources: [format!("{}#{}", session.id, numbered.number)].into(),
            metadata: metadata.as_object().cloned().unwrap_or_default(),
            ..Draft::new(Tier::Episodic, kind, shortened(&text, TEXT_BYTES_MAX))
        })
    }
}

fn words(message: &Message) -> String {
    text_of(&message.content)
}

pub(crate) fn text_of(content: &[Block]) -> String {
    let texts: Vec<&str> = content
        .iter()
        .filter_map(|block| match &block.content {
            Content::Text { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    texts.join("\n")
}

fn answered(session: &Session, message: &Message) -> String {
    let mut said = words(message);
    for block in &message.content {
        if let Content::ToolCall(call) = &block.content {
            let arguments = call.arguments.to_string();
            said.push_str(&format!("\n[called {} {}]", call.name, shortened(&arguments, ARGUMENTS_BYTES_MAX)));
        }
    }
    if said.trim().is_empty() { said } else { format!("agent:{}: {}", session.agent, said.trim()) }
}

fn returned(call: &ToolCall, result: &ToolResult) -> String {
    let parts = result.content.iter().map(|part| match part {
        ToolResultPart::Text { text } => text.as_str(),
        ToolResultPart::Image { .. } => "[an image]",
    });
    let text = parts.collect::<Vec<_>>().join("\n");
    let how = if result.is_error { " failed" } else { "" };
    format!("{}{how}: {}", call.name, both_ends(text.trim(), RESULT_BYTES_MAX))
}

/// A text that is too long, by its beginning and its end.
fn both_ends(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let half = bytes / 2;
    let (head, tail) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    format!("{}\n[… {} bytes …]\n{}", &text[..head], tail - head, &text[tail..])
}

pub(crate) fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The number of the entry that an episode is of.
pub(crate) fn entry_of(metadata: &serde_json::Map<String, Value>) -> u64 {
    metadata.get(ENTRY).and_then(Value::as_u64).unwrap_or_default()
}
