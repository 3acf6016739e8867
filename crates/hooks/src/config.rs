use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use orchestrator_process::Sandbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::{Builtin, Event, Glob};

/// How many hooks an operator may have.
const CUSTOM_MAX: usize = 100;

/// The hooks of an operator. They come from the configuration and from nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Those that come with the daemon and are switched on. Default: none.
    pub builtin: BTreeSet<Builtin>,
    /// The operator's own, by their names. Default: none; at most 100.
    pub custom: BTreeMap<String, Custom>,
    /// What `promptLength` lets people say at once, in characters, 1 to 10,000,000. Default 100,000.
    pub prompt_chars_max: usize,
    /// How often `compaction` lets one conversation be made shorter, up to 1,000. Default 3.
    pub compactions_max: u32,
    /// How many are run at once, 1 to 1,000; others wait, which is part of the time they may take. Default 32.
    pub running_max: usize,
}

/// A hook of an operator: `program` or `http`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Custom {
    /// For which events it is run.
    pub events: BTreeSet<Event>,
    /// For which tools, where the event is about one, such as `command.*`. Default: every tool.
    pub tools: Vec<Glob>,
    /// Those with a higher one are asked before others. Default 0.
    pub priority: i32,
    /// How long it may take, in milliseconds, 1 to 600,000. Default 10,000.
    pub timeout_ms: u64,
    /// A program that is told on standard input.
    pub program: Option<Program>,
    /// A server that is told by a request.
    pub http: Option<Http>,
}

/// A program that is a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Program {
    /// The program and its arguments, as they are: there is no shell unless it is named.
    pub command: Vec<String>,
    /// Where it runs. Default: where the daemon does.
    pub working_directory: Option<PathBuf>,
    /// Its variables.
    pub environment: Variables,
    /// How it is confined. Default: it is not.
    pub sandbox: Sandbox,
}

/// The variables of a program. There are no others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Variables {
    /// Names of the daemon's own variables that are passed on, if they exist. Default: `PATH`.
    pub inherit: Vec<String>,
    /// Variables with their values; secrets.
    #[serde(serialize_with = "all_masked")]
    pub set: BTreeMap<String, SecretString>,
}

/// A server that is a hook.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Http {
    /// Where it is told, by POST. The operator's choice, so it may be on this machine; redirects are not followed.
    pub url: String,
    /// What requests are signed with, 16 bytes or more.
    #[serde(serialize_with = "masked")]
    pub secret: Option<SecretString>,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConfig {
    /// As the configuration spells it.
    pub field: String,
    /// What was expected.
    pub problem: String,
}

impl Default for Config {
    fn default() -> Self {
        let (builtin, custom) = (BTreeSet::new(), BTreeMap::new());
        Self { builtin, custom, prompt_chars_max: 100_000, compactions_max: 3, running_max: 32 }
    }
}

impl Default for Custom {
    fn default() -> Self {
        let (events, tools) = (BTreeSet::new(), Vec::new());
        Self { events, tools, priority: 0, timeout_ms: 10_000, program: None, http: None }
    }
}

impl Default for Program {
    fn default() -> Self {
        let environment = Variables::default();
        Self { command: Vec::new(), working_directory: None, environment, sandbox: Sandbox::off() }
    }
}

impl Default for Variables {
    fn default() -> Self {
        Self { inherit: vec!["PATH".to_owned()], set: BTreeMap::new() }
    }
}

impl PartialEq for Variables {
    fn eq(&self, other: &Self) -> bool {
        let plain = |variables: &Self| -> BTreeMap<String, String> {
            variables.set.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
        };
        self.inherit == other.inherit && plain(self) == plain(other)
    }
}

impl Eq for Variables {}

impl PartialEq for Http {
    fn eq(&self, other: &Self) -> bool {
        let plain = |http: &Self| http.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        self.url == other.url && plain(self) == plain(other)
    }
}

impl Eq for Http {}

impl Config {
    /// Checks what one value alone cannot tell.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        within("promptCharsMax", self.prompt_chars_max as u64, 1, 10_000_000)?;
        within("compactionsMax", u64::from(self.compactions_max), 0, 1_000)?;
        within("runningMax", self.running_max as u64, 1, 1_000)?;
        within("custom", self.custom.len() as u64, 0, CUSTOM_MAX as u64)?;
        for (name, custom) in &self.custom {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
            if name.is_empty() || name.len() > 63 || !name.chars().all(is_plain) {
                return Err(invalid(format!("custom.{name}"), "expected a name of 1 to 63 of `a-z0-9._-`"));
            }
            custom
                .validate()
                .map_err(|wrong| InvalidConfig { field: format!("custom.{name}.{}", wrong.field), ..wrong })?;
        }
        Ok(())
    }

    /// What must not be shown, by the keys within this section.
    pub fn secrets(&self) -> impl Iterator<Item = (String, &SecretString)> {
        self.custom.iter().flat_map(|(name, custom)| {
            let set = custom.program.iter().flat_map(|program| &program.environment.set);
            let variables =
                set.map(move |(variable, value)| (format!("custom.{name}.program.environment.set.{variable}"), value));
            let signing = custom.http.iter().filter_map(|http| http.secret.as_ref());
            variables.chain(signing.map(move |secret| (format!("custom.{name}.http.secret"), secret)))
        })
    }
}

impl Custom {
    fn validate(&self) -> Result<(), InvalidConfig> {
        if self.events.is_empty() {
            return Err(invalid("events", "expected at least one"));
        }
        within("timeoutMs", self.timeout_ms, 1, 600_000)?;
        match (&self.program, &self.http) {
            (Some(program), None) => match program.command.first() {
                Some(first) if !first.is_empty() && !program.command.iter().any(|part| part.contains('\0')) => {
                    program.sandbox.validate().map_err(|problem| invalid("program.sandbox", problem))
                }
                _ => Err(invalid("program.command", "expected a program and its arguments")),
            },
            (None, Some(http)) => http.validate(),
            _ => Err(invalid("program", "expected `program` or `http`")),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

impl Http {
    fn validate(&self) -> Result<(), InvalidConfig> {
        let url = Url::parse(&self.url).ok();
        if !url.is_some_and(|url| ["http", "https"].contains(&url.scheme()) && url.host_str().is_some()) {
            return Err(invalid("http.url", "expected http://… or https://…"));
        }
        match self.secret.as_ref().map(|secret| secret.expose_secret().len()) {
            Some(16..) => Ok(()),
            _ => Err(invalid("http.secret", "expected 16 bytes or more: who is told has to know who tells")),
        }
    }
}

fn within(field: &str, value: u64, least: u64, most: u64) -> Result<(), InvalidConfig> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(invalid(field, format!("expected {least} to {most}, got {value}"))),
    }
}

fn invalid(field: impl Into<String>, problem: impl Into<String>) -> InvalidConfig {
    InvalidConfig { field: field.into(), problem: problem.into() }
}

const MASK: &str = "***";

fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| MASK).serialize(serializer)
}

fn all_masked<S: Serializer>(set: &BTreeMap<String, SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(set.keys().map(|name| (name, MASK)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(custom: serde_json::Value) -> Config {
        serde_json::from_value(json!({ "custom": { "one": custom } })).unwrap()
    }

    #[track_caller]
    fn refused(custom: serde_json::Value, field: &str) {
        assert_eq!(config(custom).validate().unwrap_err().field, field);
    }

    #[test]
    fn what_cannot_run_is_refused_by_name() {
        let program = json!({ "command": ["true"] });
        config(json!({ "events": ["PreToolUse"], "program": program })).validate().unwrap();
        refused(json!({ "program": program }), "custom.one.events");
        refused(json!({ "events": ["PreToolUse"] }), "custom.one.program");
        refused(json!({ "events": ["PreToolUse"], "program": { "command": [] } }), "custom.one.program.command");
        refused(json!({ "events": ["PreToolUse"], "program": program, "timeoutMs": 0 }), "custom.one.timeoutMs");
        let http =
            |url: &str, secret: &str| json!({ "events": ["PreToolUse"], "http": { "url": url, "secret": secret } });
        config(http("http://127.0.0.1:1/", "0123456789abcdef")).validate().unwrap();
        refused(http("ftp://127.0.0.1/", "0123456789abcdef"), "custom.one.http.url");
        refused(http("http://127.0.0.1/", "short"), "custom.one.http.secret");
        let unknown = json!({ "custom": { "one": { "events": ["PreLunch"] } } });
        assert!(serde_json::from_value::<Config>(unknown).unwrap_err().to_string().contains("PreLunch"));
    }

    #[test]
    fn secrets_are_masked_and_known() {
        let config =
            config(json!({ "events": ["Notification"], "http": { "url": "http://a/", "secret": "0123456789abcdef" } }));
        let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
        assert_eq!(config.secrets().map(|(key, _)| key).collect::<Vec<_>>(), ["custom.one.http.secret"]);
    }
}
