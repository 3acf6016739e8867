//! The main job on real input, for whoever wants to see it before reading anything: a small team of agents that are language
//! models reads the current directory, each in a workspace of its own, and writes a report; submitted and watched through
//! the daemon's own socket.

mod report;
mod team;
mod watch;

use std::path::Path;

use anyhow::Context as _;
use orchestrator_client::{Client, Config};
use serde_json::{Value, json};

pub(crate) use team::{join, model};

/// Gives the team its task and shows what becomes of it. True if it completed.
pub(crate) async fn run(url: &str, token_file: &Path, directory: &Path, model: &str) -> anyhow::Result<bool> {
    let token = std::fs::read_to_string(token_file).context("cannot read the administrator's token")?;
    let client = Client::connect(Config::new(url).token(token.trim_end())).await?;
    println!("\nThe agents' model is {model}.\n\nThe task: describe {}.\n", directory.display());
    let mut watch = watch::Watch::start(&client).await?;
    let order = json!({
        "agent": team::PLANNER,
        "prompt": "Describe this directory\n\nWhat is in it, and what is it for?",
    });
    let spawned: Value = client.call("agent.spawn", &order).await?;
    let task = spawned["taskId"].as_str().context("agent.spawn answered no task")?;
    let has_completed = watch.follow(task).await?;
    let tasks = watch.into_tasks();
    report::results(&client, &tasks).await?;
    report::memories(&client, &tasks).await?;
    report::workspaces(&client).await?;
    client.close().await;
    Ok(has_completed)
}

/// What to try while the daemon keeps serving.
pub(crate) fn next_steps(data: &Path) {
    let data = data.display();
    println!(
        "
The daemon keeps serving. In another terminal:

  cargo run --release -p orchestrator -- --data-dir {data} status
  cargo run --release -p orchestrator -- --data-dir {data} task list
  cargo run --release -p orchestrator -- --data-dir {data} agent spawn demo-reader --prompt 'Read README.md'
  cargo run --release -p orchestrator -- --data-dir {data} session workspace list
  cargo run --release -p orchestrator -- --data-dir {data} session replay ses_…
  cargo run --release -p orchestrator -- --data-dir {data} event tail 'task.*' 'tool.*'

Ctrl-C stops it."
    );
}
