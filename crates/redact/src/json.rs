use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::Redactor;

pub(crate) fn redact(redactor: &Redactor, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(owned(redactor, text)),
        Value::Number(number) => match redactor.redact(&number.to_string()) {
            Cow::Borrowed(_) => Value::Number(number),
            Cow::Owned(text) => Value::String(text),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(|item| redact(redactor, item)).collect()),
        Value::Object(entries) => {
            let mut redacted = Map::new();
            for (key, value) in entries {
                let key = free_key(&redacted, owned(redactor, key));
                redacted.insert(key, redact(redactor, value));
            }
            Value::Object(redacted)
        }
        other => other,
    }
}

fn owned(redactor: &Redactor, text: String) -> String {
    match redactor.redact(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(redacted) => redacted,
    }
}

/// Two keys with secrets may look the same afterwards; neither value may get lost.
fn free_key(taken: &Map<String, Value>, key: String) -> String {
    if !taken.contains_key(&key) {
        return key;
    }
    let numbered = |number: usize| format!("{key}#{number}");
    // There are fewer taken keys than numbers tried.
    (2..=taken.len() + 2).map(numbered).find(|key| !taken.contains_key(key)).unwrap_or(key)
}
