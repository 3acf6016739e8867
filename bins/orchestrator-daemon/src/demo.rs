//! The main job on real input, for whoever wants to see it before reading anything: a graph of tasks over the files of
//! the current directory, worked by small programs and written up by one in a workspace of its own, submitted and watched through the daemon's own socket.

mod agents;
mod graph;
mod report;
mod watch;

use std::path::Path;

use anyhow::Context as _;
use orchestrator_client::{Client, Config};
use serde_json::{Value, json};

pub(crate) use agents::programs;

/// Submits the tasks and shows what becomes of them. True if every one completed.
pub(crate) async fn run(url: &str, token_file: &Path, directory: &Path) -> anyhow::Result<bool> {
    let token = std::fs::read_to_string(token_file).context("cannot read the administrator's token")?;
    let client = Client::connect(Config::new(url).token(token.trim_end())).await?;
    let drafts = graph::of(directory)?;
    let watched = watch::Watch::start(&client).await?;
    println!("\n{} tasks over the files of {}:", drafts.len(), directory.display());
    let created: Value = client.call("task.createMany", &json!({ "tasks": drafts })).await?;
    let items = created.get("items").and_then(Value::as_array).context("task.createMany answered no items")?;
    let all_completed = watched.follow(items).await?;
    watch::results(&client, items).await?;
    if all_completed {
        report::show(&client).await?;
    }
    client.close().await;
    Ok(all_completed)
}

/// What to try while the daemon keeps serving.
pub(crate) fn next_steps(data: &Path) {
    let data = data.display();
    println!(
        "
The daemon keeps serving. In another terminal:

  cargo run --release -p orchestrator -- --data-dir {data} status
  cargo run --release -p orchestrator -- --data-dir {data} task list
  cargo run --release -p orchestrator -- --data-dir {data} task create 'Measure the readme' \\
      --requires text.measure --metadata '{{\"path\":\"README.md\"}}' --watch
  cargo run --release -p orchestrator -- --data-dir {data} session workspace list
  cargo run --release -p orchestrator -- --data-dir {data} event tail 'task.*'

Ctrl-C stops it."
    );
}
