//! `orchestrator notify …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::show::text;

#[derive(Debug, Subcommand)]
pub(crate) enum NotifyCommand {
    /// Lists who may be told of what happens, and what came of the last attempt
    #[command(visible_alias = "ls")]
    List,
    /// Sends a test message to a destination; fails if it does not arrive
    Test {
        /// As it is configured
        destination: String,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: NotifyCommand) -> Result<(), Failure> {
    match command {
        NotifyCommand::List => list(daemon).await,
        NotifyCommand::Test { destination } => test(daemon, &destination).await,
    }
}

async fn list(daemon: &Daemon) -> Result<(), Failure> {
    let found = daemon.call("notify.list", json!({})).await?;
    let all = found["destinations"].as_array().cloned().unwrap_or_default();
    let names = all.iter().map(|one| text(one, "name").to_owned()).collect();
    let heads = ["DESTINATION", "KIND", "HOST", "WAITING", "DELIVERED", "FAILED", "LAST"];
    let row = |one: &Value| {
        let last = match (one["lastProblem"].as_str(), one["lastAt"].as_str()) {
            (Some(problem), _) => problem,
            (None, Some(_)) => "arrived",
            (None, None) => "-",
        };
        let number = |field: &str| one[field].as_u64().unwrap_or_default().to_string();
        vec![
            Cell::new(text(one, "name")),
            Cell::new(text(one, "kind")),
            Cell::new(text(one, "host")),
            Cell::new(number("waiting")),
            Cell::new(number("delivered")),
            Cell::new(number("failed")),
            Cell::new(last),
        ]
    };
    let answer = Answer::list(&daemon.out, all, &heads, "nobody is to be told of anything", row);
    daemon.out.show(&Answer { json: found, ids: names, ..answer })
}

async fn test(daemon: &Daemon, destination: &str) -> Result<(), Failure> {
    let answer = daemon.call("notify.test", json!({ "destination": destination })).await?;
    if answer["delivered"] == true {
        return daemon.out.show(&Answer::told(answer, format!("{destination} has taken a test message")));
    }
    Err(Failure::failed(format!("{destination}: {}", text(&answer, "problem"))))
}
