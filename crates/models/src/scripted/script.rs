use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_transcript::{Content, StopReason, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::Seen;
use super::find::{self, Find, Found, TAKEN};
use crate::{ErrorKind, ProviderError, Request, RetryHints};

/// The deepest nesting of a script.
const DEPTH_MAX: usize = 64;

/// What a [`Scripted`](crate::Scripted) model says, read from YAML or JSON. The README describes the format.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) models: Vec<String>,
    pub(super) obedient: bool,
    pub(super) probe: Option<Fault>,
    pub(super) embedding: Embedding,
    pub(super) rules: Vec<Rule>,
}

/// What is wrong with a script, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ScriptError {
    /// From 1; 0 if nobody knows.
    pub line: u64,
    /// From 1; 0 if nobody knows.
    pub column: u64,
    /// What was found or expected.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default = "one_model")]
    models: Vec<String>,
    #[serde(default)]
    obedient: bool,
    #[serde(default)]
    probe: Option<Spanned<Fault>>,
    #[serde(default)]
    embedding: Option<Spanned<Embedding>>,
    #[serde(default)]
    rules: Vec<Spanned<Rule>>,
}

/// How vectors are made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Embedding {
    /// How long they are.
    #[serde(default)]
    pub(super) dimensions: Option<u32>,
    /// Texts in one request.
    #[serde(default)]
    pub(super) inputs_max: Option<usize>,
    #[serde(default)]
    pub(super) fault: Option<Fault>,
    /// It goes wrong so often, and then no more.
    #[serde(default)]
    pub(super) times: Option<u32>,
}

/// When, and what then.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default)]
    pub(super) when: When,
    /// It answers only where all of this is found, and with it.
    #[serde(default)]
    find: BTreeMap<String, Find>,
    /// It answers so often, and then no more.
    #[serde(default)]
    pub(super) times: Option<u32>,
    /// Before the first event.
    #[serde(default)]
    pub(super) delay_ms: u64,
    /// Before each further piece.
    #[serde(default)]
    pub(super) piece_delay_ms: u64,
    /// Characters in a piece.
    #[serde(default = "piece_chars")]
    pub(super) piece_chars: usize,
    #[serde(default)]
    pub(super) say: Vec<Step>,
    #[serde(default)]
    pub(super) stop: Option<StopReason>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) fault: Option<Spanned<Fault>>,
}

/// Conditions; all that are given must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct When {
    #[serde(default)]
    model: Option<String>,
    /// Is in the system prompt.
    #[serde(default)]
    system: Option<String>,
    /// Is in the text of the last turn.
    #[serde(default)]
    says: Option<String>,
    /// Is in the first text of the conversation.
    #[serde(default)]
    began: Option<String>,
    /// Is in a result of a tool in the last turn.
    #[serde(default)]
    result: Option<String>,
    /// Whether there are results of tools in the last turn.
    #[serde(default)]
    has_results: Option<bool>,
    /// Which answer of the conversation this will be, from 1.
    #[serde(default)]
    turn: Option<u32>,
    /// A tool of this name is offered.
    #[serde(default)]
    tool: Option<String>,
}

/// One block of an answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Step {
    Text(String),
    Think(Thought),
    Call(ScriptedCall),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thought {
    pub(super) text: String,
    #[serde(default)]
    pub(super) signature: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ScriptedCall {
    pub(super) tool: String,
    /// One such call for each that was found of this.
    #[serde(default)]
    pub(super) each: Option<String>,
    /// By default counted within the conversation.
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
    /// Instead of the arguments, what the model writes; need not be JSON.
    #[serde(default)]
    pub(super) written: Option<String>,
}

/// What goes wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) error: Option<ErrorKind>,
    /// Nothing comes any more, not even an end.
    #[serde(default)]
    pub(super) silent: bool,
    /// It happens after so many pieces of text, thinking or arguments; by default before the first event.
    #[serde(default)]
    pub(super) after_pieces: Option<usize>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    retry_after_ms: Option<u64>,
    #[serde(default)]
    should_retry: Option<bool>,
}

fn one_model() -> Vec<String> {
    vec!["scripted".to_owned()]
}

fn piece_chars() -> usize {
    16
}

impl Script {
    /// Reads YAML, of which JSON is a part.
    ///
    /// # Errors
    /// What is wrong first, with its line and column.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
            strict_booleans: true,
        };
        let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| ScriptError {
            line: error.location().map_or(0, |at| at.line()),
            column: error.location().map_or(0, |at| at.column()),
            message: message(&error),
        })?;
        if let Some(probe) = &file.probe {
            probe.value.check(probe.referenced)?;
        }
        if let Some(embedding) = &file.embedding {
            embedding.value.check(embedding.referenced)?;
        }
        for rule in &file.rules {
            check(rule)?;
        }
        let rules = file.rules.into_iter().map(|rule| rule.value).collect();
        Ok(Self {
            models: file.models,
            obedient: file.obedient,
            probe: file.probe.map(|probe| probe.value),
            embedding: file.embedding.map(|embedding| embedding.value).unwrap_or_default(),
            rules,
        })
    }
}

fn check(rule: &Spanned<Rule>) -> Result<(), ScriptError> {
    let at = rule.referenced;
    let rule = &rule.value;
    if rule.say.is_empty() && rule.fault.is_none() && rule.stop.is_none() {
        return Err(wrong(at, "a rule needs one of `say`, `stop` and `fault`"));
    }
    if rule.piece_chars == 0 {
        return Err(wrong(at, "pieceChars: expected 1 or more"));
    }
    if let Some(taken) = rule.find.keys().find(|name| TAKEN.contains(&name.as_str())) {
        return Err(wrong(at, &format!("find.{taken}: this stands for what was said, expected another name")));
    }
    let unknown = |step: &Step| match step {
        Step::Call(call) => call.each.clone().filter(|each| !rule.find.contains_key(each)),
        _ => None,
    };
    if let Some(each) = rule.say.iter().find_map(unknown) {
        return Err(wrong(at, &format!("each: expected something of `find`, not `{each}`")));
    }
    let both = |step: &Step| matches!(step, Step::Call(call) if call.written.is_some() && !call.arguments.is_empty());
    if rule.say.iter().any(both) {
        return Err(wrong(at, "a call has `arguments` or `written`, not both"));
    }
    rule.fault.as_ref().map_or(Ok(()), |fault| fault.value.check(fault.referenced))
}

fn wrong(at: Location, message: &str) -> ScriptError {
    ScriptError { line: at.line(), column: at.column(), message: message.to_owned() }
}

/// The parser's message on one line, without the position that we print ourselves.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or("not YAML");
    let end = first.rfind(" at line ").unwrap_or(first.len());
    let start = if first.starts_with("error: line ") { first.rfind("error: ").unwrap_or(0) } else { 0 };
    first[start.min(end)..end].trim_end_matches(':').to_owned()
}

impl When {
    pub(super) fn holds(&self, request: &Request, seen: &Seen) -> bool {
        let is = |wanted: &Option<String>, given: &str| wanted.as_ref().is_none_or(|wanted| wanted == given);
        let within = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| text.contains(wanted));
        let in_results = |wanted: &String| seen.results.iter().any(|result| result.contains(wanted));
        let in_system = |wanted: &String| {
            request.system.iter().any(|block| matches!(&block.content, Content::Text { text } if text.contains(wanted)))
        };
        let offered = |wanted: &String| request.tools.iter().any(|tool| tool.name == *wanted);
        is(&self.model, &request.model)
            && self.system.as_ref().is_none_or(in_system)
            && within(&self.says, &seen.last)
            && within(&self.began, &seen.first)
            && self.result.as_ref().is_none_or(in_results)
            && self.has_results.is_none_or(|wanted| wanted != seen.results.is_empty())
            && self.turn.is_none_or(|turn| turn == seen.turn)
            && self.tool.as_ref().is_none_or(offered)
    }
}

impl Rule {
    /// What it looks for; `None` if that is not there.
    pub(super) fn found(&self, seen: &Seen) -> Option<Found> {
        find::all(&self.find, seen)
    }
}

impl Embedding {
    fn check(&self, at: Location) -> Result<(), ScriptError> {
        if self.dimensions == Some(0) || self.inputs_max == Some(0) {
            return Err(wrong(at, "dimensions, inputsMax: expected 1 or more"));
        }
        self.fault.as_ref().map_or(Ok(()), |fault| fault.check(at))
    }
}

impl Fault {
    fn check(&self, at: Location) -> Result<(), ScriptError> {
        if self.error.is_some() == self.silent {
            return Err(wrong(at, "a fault is either an `error` or `silent`"));
        }
        Ok(())
    }

    pub(super) fn error(&self) -> ProviderError {
        let kind = self.error.unwrap_or(ErrorKind::Timeout);
        let message = self.message.clone().unwrap_or_else(|| "the script says so".to_owned());
        let retry_after = self.retry_after_ms.map(Duration::from_millis);
        let hints = RetryHints { should_retry: self.should_retry, retry_after };
        ProviderError { status: self.status, hints, ..ProviderError::new(kind, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, line: u64, part: &str) {
        let error = Script::parse(text).unwrap_err();
        assert!(error.line == line && error.column > 0 && error.message.contains(part), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        refused("rules:\n  - says: hello\n", 2, "says");
        refused("rules:\n  - when: { says: hello }\n", 2, "a rule needs one of");
        refused("rules:\n  - say:\n      - shout: hello\n", 3, "shout");
        refused("rules:\n  - fault: { error: sulking }\n", 2, "sulking");
        refused("rules:\n  - fault: { error: server, silent: true }\n", 2, "either");
        refused("rules:\n  - find: { x: { pattern: '(' } }\n    say: []\n", 2, "pattern");
        refused("rules:\n  - say: [{ call: { tool: x, each: files } }]\n", 2, "each");
        refused("rules:\n  - find: { last: { pattern: x } }\n    say: [{ text: x }]\n", 2, "find.last");
        refused("obedient: maybe\n", 1, "bool");
        refused("models: [a\n", 1, "bracket");
    }

    #[test]
    fn json_is_read_too() {
        let script = Script::parse(r#"{"models": ["a"], "rules": [{"say": [{"text": "x"}]}]}"#).unwrap();
        assert_eq!((script.models, script.rules.len()), (vec!["a".to_owned()], 1));
    }
}
