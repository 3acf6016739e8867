//! A configuration like the daemon's, and a loader over a temporary folder.

use std::path::Path;

use orchestrator_settings::{Environment, Error, Kind, Loaded, Loader, Reserved, Variable};
use secrecy::SecretString;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) daemon: Daemon,
    pub(crate) auth: Auth,
    pub(crate) rate_limit: RateLimit,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Daemon {
    pub(crate) port: u16,
    pub(crate) host: String,
    pub(crate) max_sessions: usize,
    pub(crate) verbose: bool,
    pub(crate) heartbeat_interval: u64,
    pub(crate) origins: Vec<String>,
    pub(crate) log: LogFormat,
    pub(crate) name: Option<String>,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            port: 8787,
            host: "127.0.0.1".to_owned(),
            max_sessions: 100,
            verbose: false,
            heartbeat_interval: 30_000,
            origins: Vec::new(),
            log: LogFormat::Text,
            name: None,
        }
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LogFormat {
    Text,
    Json,
    #[serde(rename_all = "camelCase")]
    File {
        size_max: u64,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Auth {
    pub(crate) jwt_secret: Option<SecretString>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RateLimit {
    pub(crate) calls_per_credential: u32,
    pub(crate) share: f64,
}

pub(crate) fn loader(variables: &[(&str, &str)]) -> Loader<Config> {
    Loader::new()
        .environment(variables.iter().copied().collect::<Environment>())
        .variables([
            Variable::new("DAEMON_PORT", "daemon.port", Kind::Integer),
            Variable::new("DAEMON_VERBOSE", "daemon.verbose", Kind::Bool),
            Variable::new("DAEMON_HEARTBEAT_INTERVAL", "daemon.heartbeatInterval", Kind::DurationMs),
            Variable::new("DAEMON_CORS_ORIGINS", "daemon.origins", Kind::List),
            Variable::new("DAEMON_JWT_SECRET", "auth.jwtSecret", Kind::Secret),
            Variable::new("SHARE", "rateLimit.share", Kind::Float),
        ])
        .reserve([
            Reserved::section("memory"),
            Reserved::section("budget"),
            Reserved::switched_section("federation", "enabled"),
            Reserved::variable("TOKEN_BUDGET_DAILY"),
            Reserved::switch_variable("TOKEN_BUDGET_ALERTS_ENABLED"),
        ])
}

/// Loads `text` as the file `name`, with variables.
pub(crate) fn load(name: &str, text: &str, variables: &[(&str, &str)]) -> Result<Loaded<Config>, Error> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    loader(variables).file(folder.path().join(name)).load()
}

/// The message without the temporary folder, which differs each time.
pub(crate) fn without_folder(text: &str) -> String {
    let temporary = std::env::temp_dir();
    let start = format!("{}/", temporary.display());
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&start) {
        shown.push_str(&rest[..at]);
        let after = &rest[at + start.len()..];
        rest = after.split_once('/').map_or(after, |(_, rest)| rest);
    }
    shown + rest
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}
