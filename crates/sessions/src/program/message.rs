use orchestrator_vocab::Tokens;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::live::Usage;

/// The largest report of progress, in bytes; what is longer is text.
const PROGRESS_BYTES_MAX: usize = 16_000;

/// A line by which a program talks to the daemon: a JSON object with these fields, at least one, and no others.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Message {
    pub(super) progress: Option<Value>,
    pub(super) usage: Usage,
    pub(super) result: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, deserialize_with = "present")]
    progress: Option<Value>,
    #[serde(default)]
    usage: Option<Tally>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
}

/// `null` is a value here, not an absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Message {
    pub(super) fn parse(line: &str) -> Option<Self> {
        if !line.trim_start().starts_with('{') {
            return None;
        }
        let line_bytes = line.len();
        let line: Line = serde_json::from_str(line).ok()?;
        if line.progress.is_none() && line.usage.is_none() && line.result.is_none() {
            return None;
        }
        if line.progress.is_some() && line.result.is_none() && line_bytes > PROGRESS_BYTES_MAX {
            return None;
        }
        let usage = line.usage.map_or_else(Usage::default, |tally| Usage {
            input_tokens: Tokens(tally.input_tokens),
            output_tokens: Tokens(tally.output_tokens),
        });
        Some(Self { progress: line.progress, usage, result: line.result })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_has_known_fields_only() {
        let message = Message::parse(r#"{"progress": {"done": 1}, "usage": {"inputTokens": 3, "cached": 1}}"#).unwrap();
        assert_eq!((message.progress, message.usage.input_tokens), (Some(json!({ "done": 1 })), Tokens(3)));
        assert_eq!(Message::parse(r#"{"result": null}"#).unwrap().result, Some(Value::Null));
        for text in ["{}", "text", "[1]", r#"{"result": 1, "x": 2}"#, r#"{"usage": 5}"#, r#"{"result": 1"#, "1"] {
            assert_eq!(Message::parse(text), None, "{text}");
        }
        let long = format!(r#"{{"progress": "{}"}}"#, "x".repeat(PROGRESS_BYTES_MAX));
        assert_eq!(Message::parse(&long), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_parsing_panic(line in "\\{?.{0,200}") {
            let _ = Message::parse(&line);
        }
    }
}
