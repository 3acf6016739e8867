//! The configuration as people may see it: each value, where it came from, secrets masked.

use std::collections::BTreeMap;

use orchestrator_redact::Redactor;
use orchestrator_settings::{Loaded, Source};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::changes::{Path, dotted, leaves};
use super::{Config, keys};

/// What stands for a value that is not shown.
pub(crate) const MASK: &str = "***";

/// One value of the configuration.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    /// Dotted.
    pub(crate) key: String,
    /// What is in effect; `***` if it is secret.
    pub(crate) value: Value,
    /// What is configured, if that is something else until the daemon is restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after_restart: Option<Value>,
    /// `default`, a place in a file, a variable of the environment, a flag, or `set at run time`.
    pub(crate) source: String,
    /// When a change takes effect: `live`, `new connections` or `restart`.
    pub(crate) effect: &'static str,
    /// What it takes.
    pub(crate) takes: &'static str,
}

/// Every value that is configured, masked where it must be.
pub(crate) fn values(loaded: &Loaded<Config>, redactor: &Redactor) -> BTreeMap<Path, Value> {
    let masked = |(path, value): (Path, Value)| {
        let hidden = loaded.hidden.contains(&dotted(&path)) && is_text(&value);
        let value = if hidden || shows_secrets(&value, redactor) { MASK.into() } else { value };
        (path, value)
    };
    leaves(&loaded.value).into_iter().map(masked).collect()
}

/// Every value with where it came from; those in effect are `running`.
pub(crate) fn explained(loaded: &Loaded<Config>, running: &Config, redactor: &Redactor) -> Vec<Explained> {
    let (configured, running) = (values(loaded, redactor), leaves(running));
    let one = |(path, value): (Path, Value)| {
        let key = dotted(&path);
        let entry = keys::of(&path);
        let in_effect = running.get(&path).filter(|_| value != MASK).unwrap_or(&value).clone();
        let in_effect = if shows_secrets(&in_effect, redactor) { MASK.into() } else { in_effect };
        Explained {
            after_restart: (in_effect != value).then_some(value),
            value: in_effect,
            source: source(loaded, &key).to_string(),
            effect: entry.map_or("restart", |key| key.effect.as_str()),
            takes: entry.map_or("", |key| key.takes),
            key,
        }
    };
    configured.into_iter().map(one).collect()
}

/// Who set this key: for a list, whoever set its items.
pub(crate) fn source<'a>(loaded: &'a Loaded<Config>, key: &str) -> &'a Source {
    loaded.source(key)
}

fn is_text(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(items) => items.iter().any(is_text),
        _ => false,
    }
}

/// A list is masked as a whole: half of it could not be written back.
fn shows_secrets(value: &Value, redactor: &Redactor) -> bool {
    match value {
        Value::String(text) => redactor.redact(text) != *text,
        Value::Array(items) => items.iter().any(|item| shows_secrets(item, redactor)),
        _ => false,
    }
}
