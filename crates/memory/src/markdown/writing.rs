use serde_json::{Value, json};

use crate::Memory;
use crate::text::shortened;

/// The longest line that says which memory is meant.
const TITLE_BYTES_MAX: usize = 80;

/// All that there is to know of it.
pub(super) fn write(memory: &Memory) -> String {
    let mut front = format!("memoryId: {}\n", memory.id);
    front.push_str(&said(memory));
    let kept = [
        ("supersedes", json!(memory.supersedes)),
        ("supersededBy", json!(memory.superseded_by)),
        ("covers", json!(memory.covers)),
        ("state", json!(memory.state)),
        ("label", json!(memory.label)),
        ("sessionId", json!(memory.session)),
        ("taskId", json!(memory.task)),
        ("agentId", json!(memory.agent)),
        ("by", json!(memory.by)),
        ("at", json!(memory.created_at)),
    ];
    for (key, value) in kept {
        field(&mut front, key, &value);
    }
    file(&front, memory)
}

/// What somebody who edits the file may change of it.
pub(crate) fn facts(memory: &Memory) -> String {
    file(&said(memory), memory)
}

/// The first words of its text.
pub(crate) fn title(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default().trim_end();
    let title = shortened(line, TITLE_BYTES_MAX);
    if title.len() < line.len() { format!("{title}…") } else { title.to_owned() }
}

/// One blank line before the text and one end of line after it: whatever else is there belongs to the text.
fn file(front: &str, memory: &Memory) -> String {
    format!("---\n{front}---\n\n{}\n", memory.text)
}

fn said(memory: &Memory) -> String {
    let mut front = String::new();
    let said = [
        ("tier", json!(memory.tier)),
        ("type", json!(memory.kind)),
        ("scope", json!(memory.scope)),
        ("confidence", share(memory.confidence)),
        ("importance", share(memory.importance)),
        ("validFrom", json!(memory.valid_from)),
        ("validTo", json!(memory.valid_to)),
        ("people", json!(memory.people)),
        ("topics", json!(memory.topics)),
        ("sources", json!(memory.sources)),
        ("metadata", json!(memory.metadata)),
    ];
    for (key, value) in said {
        field(&mut front, key, &value);
    }
    front
}

/// As it was given: 0.9 is not 0.899999976.
fn share(value: f32) -> Value {
    value.to_string().parse().unwrap_or_default()
}

/// What is not there has no line.
fn field(front: &mut String, key: &str, value: &Value) {
    let is_nothing = match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    if !is_nothing {
        front.push_str(&format!("{key}: {}\n", yaml(value)));
    }
}

/// JSON is YAML, once no character is left that YAML does not take as it is; a plain word needs no quotes.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(word) if is_plain(word) => word.clone(),
        other => other.to_string().chars().fold(String::new(), |mut text, c| {
            if is_printed(c) {
                text.push(c);
            } else {
                let mut units = [0; 2];
                // Such characters stand in quotes only, where JSON and YAML have the same escapes.
                for unit in c.encode_utf16(&mut units) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
            text
        }),
    }
}

/// Ids, and words of ours: `semantic`, `user:ada`.
fn is_plain(word: &str) -> bool {
    let is_first = word.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let is_rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'@' | b'-');
    // `no` and `off` are no words in YAML.
    let is_word = word.len() > 3 && !["true", "false", "null"].contains(&word);
    is_first && is_word && word.bytes().all(is_rest) && !word.ends_with(':')
}

fn is_printed(c: char) -> bool {
    // Ends of lines of their own, and a mark that readers may take away.
    let is_line = matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    // What orders text the other way round makes it look like something else.
    let is_turning = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(c.is_control() || is_line || is_turning || matches!(c, '\u{fffe}' | '\u{ffff}'))
}
