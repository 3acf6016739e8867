//! `orchestrator config …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{plain, text, words};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Shows what is configured; secrets are ***
    Get {
        /// Keys or sections, such as rateLimit.max or rateLimit [default: what somebody set]
        keys: Vec<String>,
        /// Also what has its default
        #[arg(long, short)]
        all: bool,
    },
    /// Sets values beside the configuration file, and applies them
    Set {
        /// Such as rateLimit.max=200; a value that is no JSON is text
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = assignment)]
        values: Vec<(String, Value)>,
        /// Takes back everything else that was set so
        #[arg(long)]
        replace: bool,
    },
    /// Takes back what was set: what the file says holds again
    Unset {
        /// Keys or sections
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Shows each value, where it came from, and when a change of it takes effect
    Explain {
        /// Keys or sections [default: all]
        keys: Vec<String>,
        /// Only what somebody set
        #[arg(long, conflicts_with = "keys")]
        set: bool,
    },
    /// Reads the configuration again and applies it
    Reload,
}

fn assignment(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() {
        return Err("the key before `=` is empty".into());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((key.to_owned(), value))
}

pub(crate) async fn run(daemon: &Daemon, command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Get { keys, all } => get(daemon, keys, all).await,
        ConfigCommand::Set { values, replace } => {
            let values: Map<String, Value> = values.into_iter().collect();
            let params = Params::new().with("values", values).with("merge", !replace);
            changed(daemon, "config.set", params).await
        }
        ConfigCommand::Unset { keys } => {
            let params = Params::new().with("values", Map::new()).with("unset", keys);
            changed(daemon, "config.set", params).await
        }
        ConfigCommand::Explain { keys, set } => explain(daemon, keys, set).await,
        ConfigCommand::Reload => changed(daemon, "config.reload", Params::new()).await,
    }
}

async fn get(daemon: &Daemon, keys: Vec<String>, all: bool) -> Result<(), Failure> {
    let is_one = keys.len() == 1;
    let answer = daemon.call("config.get", Params::new().list("keys", &keys).flag("all", all)).await?;
    let mut lines = Vec::new();
    flatten("", &answer["values"], &mut lines);
    let ids = lines.iter().map(|(_, value)| plain(value)).collect();
    let text = match lines.as_slice() {
        [] => "nothing is set: everything has its default".to_owned(),
        [(key, value)] if is_one && keys.contains(key) => plain(value),
        lines => lines.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join("\n"),
    };
    daemon.out.show(&Answer { json: answer, text, ids })
}

fn flatten(key: &str, value: &Value, lines: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(section) => section.iter().for_each(|(name, value)| {
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            flatten(&key, value, lines);
        }),
        value => lines.push((key.to_owned(), value.clone())),
    }
}

async fn changed(daemon: &Daemon, method: &str, params: Params) -> Result<(), Failure> {
    let answer = daemon.call(method, params).await?;
    let mut said = Vec::new();
    for (field, label) in [("applied", "applied"), ("restart", "in effect after a restart")] {
        if answer[field].as_array().is_some_and(|keys| !keys.is_empty()) {
            said.push(format!("{label}: {}", words(&answer[field])));
        }
    }
    if said.is_empty() {
        said.push("nothing changed".to_owned());
    }
    daemon.out.show(&Answer::told(answer, said.join("\n")))
}

async fn explain(daemon: &Daemon, keys: Vec<String>, set: bool) -> Result<(), Failure> {
    let params = Params::new().list("keys", &keys).flag("all", keys.is_empty() && !set);
    let mut answer = daemon.call("config.explain", params).await?;
    let Value::Array(items) = answer["items"].take() else { return Err(Failure::failed("an answer without items")) };
    let header = ["KEY", "VALUE", "TAKES EFFECT", "FROM"];
    daemon.out.show(&Answer::list(&daemon.out, items, &header, "nothing is set", row))
}

fn row(item: &Value) -> Vec<Cell> {
    let value = match &item["afterRestart"] {
        Value::Null => item["value"].to_string(),
        later => format!("{} ({later} after a restart)", item["value"]),
    };
    vec![
        Cell::new(text(item, "key")),
        Cell::new(value),
        Cell::new(text(item, "effect")),
        Cell::new(text(item, "source")),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_json_or_text() {
        let value = |text: &str| assignment(text).map(|(_, value)| value);
        assert_eq!(value("a.b=5"), Ok(json!(5)));
        assert_eq!(value("a.b=debug"), Ok(json!("debug")));
        assert_eq!(value("a.b=info,x=debug"), Ok(json!("info,x=debug")));
        assert_eq!(value("a.b=[\"x\"]"), Ok(json!(["x"])));
        assert_eq!(value("a.b="), Ok(json!("")));
        assert!(value("a.b").is_err() && value("=1").is_err());
    }
}
