use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use orchestrator_process::{Mode, Sandbox};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::names::Filter;
use crate::Error;

const DAY_MS: u64 = 86_400_000;

/// A server whose tools agents may use, and how it is reached: `command` or `url`. It comes from the operator's configuration
/// and from nowhere else.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerConfig {
    /// Whether it is started and connected to. Default: it is.
    pub enabled: bool,
    /// A program that speaks the protocol on its standard streams, and its arguments, as they are: there is no shell unless it
    /// is named. A bare name is looked up in the `PATH` of `environment`.
    pub command: Vec<String>,
    /// Where the program runs. Default: where the daemon does.
    pub working_directory: Option<PathBuf>,
    /// The program's variables.
    pub environment: ServerEnvironment,
    /// How the program is confined. Default: it is not.
    pub sandbox: Sandbox,
    /// Where it speaks the protocol over streamable HTTP. This is the operator's choice, so it may be on this machine or in a
    /// private network; redirects are not followed.
    pub url: Option<String>,
    /// Headers of every request, such as `authorization`; secrets.
    #[serde(serialize_with = "masked")]
    pub headers: BTreeMap<String, SecretString>,
    /// Those of its tools that are used, as it calls them. Default: all.
    pub tools: Vec<Filter>,
    /// What becomes of a tool that is seen for the first time. Default `first`.
    pub pin: Pin,
    /// Whether what it says of its tools is believed: that one only reads, or may be called twice. Default: it is not.
    pub trust_hints: bool,
    /// How long it may take from its start to the list of its tools, and to answer for the list later, in milliseconds, 10 to
    /// 600,000. Default 30,000.
    pub connect_timeout_ms: u64,
    /// How long a call may take, in milliseconds, 1 to 86,400,000. The bound of all tools counts too. Default 120,000.
    pub timeout_ms: u64,
    /// How many tools are looked at, 1 to 1,000; those beyond are not used. Default 128.
    pub tools_max: usize,
    /// How long description and schemas of one tool may be together, in bytes of JSON, 256 to 1,048,576. Default 32,768.
    pub definition_bytes_max: usize,
    /// How long one message of it may be, in bytes, 65,536 to 67,108,864; longer ones are thrown away. Default 4,194,304.
    pub message_bytes_max: usize,
}

/// Variables of a program; there are no others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerEnvironment {
    /// Names of variables of this process that are handed on, if there are such. Default: `PATH`.
    pub inherit: Vec<String>,
    /// Variables with their values; secrets. Default: none.
    #[serde(serialize_with = "masked")]
    pub set: BTreeMap<String, SecretString>,
}

/// What becomes of a tool that is seen for the first time. One that changes later always waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pin {
    /// It is used as it is: the operator chose the server.
    #[default]
    First,
    /// It waits until somebody has confirmed it.
    Confirm,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            command: Vec::new(),
            working_directory: None,
            environment: ServerEnvironment::default(),
            sandbox: Sandbox::off(),
            url: None,
            headers: BTreeMap::new(),
            tools: vec![Filter::any()],
            pin: Pin::default(),
            trust_hints: false,
            connect_timeout_ms: 30_000,
            timeout_ms: 120_000,
            tools_max: 128,
            definition_bytes_max: 32 * 1024,
            message_bytes_max: 4 * 1024 * 1024,
        }
    }
}

impl Default for ServerEnvironment {
    fn default() -> Self {
        Self { inherit: vec!["PATH".to_owned()], set: BTreeMap::new() }
    }
}

impl ServerConfig {
    /// Checks every value; the message names the key.
    ///
    /// # Errors
    /// [`Error::Config`] for the first that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |holds: bool, problem: &str| if holds { Ok(()) } else { Err(Error::Config(problem.to_owned())) };
        check(self.command.is_empty() != self.url.is_none(), "command, url: expected one of them")?;
        check(self.command.first().is_none_or(|program| !program.is_empty()), "command: expected a program first")?;
        check(!self.command.iter().any(|part| part.contains('\0')), "command: expected text without NUL")?;
        let is_program = self.url.is_none();
        check(is_program || self.working_directory.is_none(), "workingDirectory: only with `command`")?;
        check(is_program || self.environment.set.is_empty(), "environment: only with `command`")?;
        check(is_program || self.sandbox.mode == Mode::Off, "sandbox: only with `command`")?;
        self.sandbox.validate().map_err(|problem| Error::Config(format!("sandbox.{problem}")))?;
        check(!is_program || self.headers.is_empty(), "headers: only with `url`")?;
        let is_name = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
        let names = self.environment.inherit.iter().chain(self.environment.set.keys());
        check(names.into_iter().all(is_name), "environment: expected names of variables, without = and NUL")?;
        let values = self.environment.set.values();
        check(
            !values.into_iter().any(|value| value.expose_secret().contains('\0')),
            "environment.set: expected values without NUL",
        )?;
        self.url()?;
        self.headers()?;
        check((10..=600_000).contains(&self.connect_timeout_ms), "connectTimeoutMs: expected 10 to 600000")?;
        check((1..=DAY_MS).contains(&self.timeout_ms), "timeoutMs: expected 1 to 86400000")?;
        check((1..=1_000).contains(&self.tools_max), "toolsMax: expected 1 to 1000")?;
        check((256..=1_048_576).contains(&self.definition_bytes_max), "definitionBytesMax: expected 256 to 1048576")?;
        check((65_536..=67_108_864).contains(&self.message_bytes_max), "messageBytesMax: expected 65536 to 67108864")
    }

    /// What must not be shown, by its key.
    pub fn secrets(&self) -> impl Iterator<Item = (String, &SecretString)> {
        let set = self.environment.set.iter().map(|(name, value)| (format!("environment.set.{name}"), value));
        set.chain(self.headers.iter().map(|(name, value)| (format!("headers.{name}"), value)))
    }

    /// The program that would be started; nothing where there is none.
    ///
    /// # Errors
    /// [`Error::Config`]: it is not there.
    pub fn find_program(&self) -> Result<Option<PathBuf>, Error> {
        if self.url.is_some() {
            return Ok(None);
        }
        super::child::spec(self).locate().map(Some).map_err(|error| Error::Config(error.to_string()))
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// Messages name no password that may be in it.
    fn url(&self) -> Result<Option<Url>, Error> {
        let Some(text) = &self.url else { return Ok(None) };
        let wrong = || Error::Config("url: expected http://… or https://…, without user and password".to_owned());
        let url = Url::parse(text).map_err(|_| wrong())?;
        let is_fit = ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none();
        is_fit.then_some(Some(url)).ok_or_else(wrong)
    }

    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        /// What the protocol says itself.
        const TAKEN: [&str; 6] =
            ["accept", "content-type", "host", "last-event-id", "mcp-protocol-version", "mcp-session-id"];
        let wrong = |name: &str, problem| Error::Config(format!("headers.{name}: expected {problem}"));
        let header = |(name, value): (&String, &SecretString)| {
            let parsed: HeaderName = name.parse().map_err(|_| wrong(name, "the name of a header"))?;
            if TAKEN.contains(&parsed.as_str()) {
                return Err(wrong(name, "a header that the protocol does not set itself"));
            }
            let value = HeaderValue::from_str(value.expose_secret());
            let mut value = value.map_err(|_| wrong(name, "a value without control characters"))?;
            value.set_sensitive(true);
            Ok((parsed, value))
        };
        self.headers.iter().map(header).collect()
    }
}

fn masked<S: Serializer>(secrets: &BTreeMap<String, SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(secrets.keys().map(|name| (name, "***")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(config: serde_json::Value, expected: Option<&str>) {
        let config: ServerConfig = serde_json::from_value(config).unwrap();
        let said = config.validate().err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(said, None),
            Some(part) => assert!(said.as_deref().is_some_and(|said| said.starts_with(part)), "{said:?}"),
        }
    }

    #[test]
    fn each_value_is_checked() {
        check(json!({"command": ["npx", "x"], "environment": {"set": {"KEY": "s"}}}), None);
        check(json!({"url": "http://127.0.0.1:1/mcp", "headers": {"Authorization": "Bearer s"}}), None);
        check(json!({}), Some("command, url"));
        check(json!({"command": ["x"], "url": "http://a"}), Some("command, url"));
        check(json!({"command": [""]}), Some("command"));
        check(json!({"url": "http://a", "environment": {"set": {"A": "b"}}}), Some("environment"));
        check(json!({"command": ["x"], "headers": {"a": "b"}}), Some("headers"));
        check(json!({"command": ["x"], "sandbox": {}}), None);
        check(json!({"url": "http://a", "sandbox": {}}), Some("sandbox: only"));
        check(json!({"command": ["x"], "sandbox": {"writable": ["x"]}}), Some("sandbox.writable"));
        check(json!({"url": "ftp://a"}), Some("url"));
        check(json!({"url": "http://user:secret@a"}), Some("url"));
        check(json!({"url": "http://a", "headers": {"a b": "c"}}), Some("headers.a b"));
        check(json!({"url": "http://a", "headers": {"mcp-session-id": "c"}}), Some("headers.mcp-session-id"));
        check(json!({"url": "http://a", "headers": {"a": "b\nc"}}), Some("headers.a"));
        check(json!({"command": ["x"], "environment": {"inherit": ["A=B"]}}), Some("environment"));
        check(json!({"command": ["x"], "timeoutMs": 0}), Some("timeoutMs"));
        check(json!({"command": ["x"], "connectTimeoutMs": 9}), Some("connectTimeoutMs"));
        check(json!({"command": ["x"], "toolsMax": 0}), Some("toolsMax"));
        check(json!({"command": ["x"], "definitionBytesMax": 1}), Some("definitionBytesMax"));
        check(json!({"command": ["x"], "messageBytesMax": 1}), Some("messageBytesMax"));
    }

    #[test]
    fn secrets_are_neither_printed_nor_serialised() {
        let config =
            json!({"command": ["x"], "environment": {"set": {"KEY": "topsecret"}}, "headers": {"a": "topsecret"}});
        let config: ServerConfig = serde_json::from_value(config).unwrap();
        let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("topsecret") && shown.contains("KEY"), "{shown}");
        let keys: Vec<String> = config.secrets().map(|(key, _)| key).collect();
        assert_eq!(keys, ["environment.set.KEY", "headers.a"]);
    }
}
