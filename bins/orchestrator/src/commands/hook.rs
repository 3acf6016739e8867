//! `orchestrator hook …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::show::{ago, plain, text, words};

const HEADER: [&str; 8] = ["HOOK", "KIND", "EVENTS", "RUNS", "BLOCKED", "ASKED", "FAILED", "LAST"];

#[derive(Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// Lists hooks in the order in which they are asked, and how they did
    #[command(visible_alias = "ls")]
    List,
}

pub(crate) async fn run(daemon: &Daemon, HookCommand::List: HookCommand) -> Result<(), Failure> {
    let answer = daemon.call("hook.list", json!({})).await?;
    let hooks = answer["hooks"].as_array().cloned().unwrap_or_default();
    daemon.out.show(&Answer::list(&daemon.out, hooks, &HEADER, "no hooks are configured", row))
}

fn row(hook: &Value) -> Vec<Cell> {
    let counts = ["runs", "blocked", "asked", "failed"].map(|field| Cell::new(plain(&hook[field])));
    let names = [Cell::new(text(hook, "name")), Cell::new(text(hook, "kind")), Cell::new(words(&hook["events"]))];
    names.into_iter().chain(counts).chain([Cell::new(last(&hook["last"]))]).collect()
}

fn last(last: &Value) -> String {
    match last.is_object() {
        true => {
            format!("{} {} ago {}", text(last, "outcome"), ago(&last["at"]), text(last, "reason")).trim().to_owned()
        }
        false => String::new(),
    }
}
