use std::path::Path;

use anyhow::Context as _;
use orchestrator_client::Client;
use serde_json::{Value, json};

use super::watch::{plain, short};

/// As many memories are shown.
const REMEMBERED_MAX: usize = 5;
/// What the planner calls it.
const NAME: &str = "REPORT.md";
/// A report has a line for each of a few files.
const REPORT_BYTES_MAX: usize = 64 << 10;

/// What each task has to show for itself, as the daemon stored it.
pub(super) async fn results(client: &Client, tasks: &[String]) -> anyhow::Result<()> {
    println!("\nThe tasks, as they are stored:");
    for id in tasks {
        let task: Value = client.call("task.get", &json!({ "taskId": id })).await?;
        let text = |field: &str| task[field].as_str().unwrap_or_default();
        println!("  {:<10} {:<26} {}", text("status"), text("title"), plain(&task["result"]));
    }
    Ok(())
}

/// What the agents were told of earlier runs: a session begins with what matters of what is remembered.
pub(super) async fn memories(client: &Client, tasks: &[String]) -> anyhow::Result<()> {
    let sessions: Value = client.call("session.list", &json!({ "limit": 50 })).await?;
    let mut told: Vec<String> = Vec::new();
    for session in sessions["sessions"].as_array().into_iter().flatten() {
        if tasks.iter().any(|task| session["taskId"] == task.as_str()) {
            let of_session = json!({ "sessionId": session["id"], "limit": 20 });
            let history: Value = client.call("session.history", &of_session).await?;
            let entries = history["entries"].as_array().into_iter().flatten().map(|entry| &entry["entry"]);
            let recalled = entries.filter(|entry| entry["what"] == "recalled");
            told.extend(recalled.filter_map(|entry| entry["message"]["content"][0]["text"].as_str()).flat_map(cited));
        }
    }
    // Ids begin with the time: what this run has left behind itself is no earlier one's.
    let began = tasks.first().and_then(|task| task.split('_').nth(1)).unwrap_or_default();
    told.retain(|line| line.strip_prefix(CITED).and_then(|id| id.get(..began.len())).is_some_and(|id| id < began));
    told.sort();
    told.dedup();
    if told.is_empty() {
        println!("\nNothing was known from earlier runs. What this one came to is remembered for the next.");
        return Ok(());
    }
    println!("\nFrom earlier runs the agents were told, among {} things:", told.len());
    told.iter().take(REMEMBERED_MAX).for_each(|line| println!("  {}", short(line)));
    Ok(())
}

/// How a memory is cited.
const CITED: &str = "- [memory_";

/// A line for each memory.
fn cited(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with(CITED)).map(str::to_owned).collect()
}

/// Shows what was written, and that it waits for somebody to take it over.
pub(super) async fn workspaces(client: &Client) -> anyhow::Result<()> {
    let workspaces: Value = client.call("session.workspace.list", &json!({ "limit": 20 })).await?;
    let workspaces = workspaces["items"].as_array().context("session.workspace.list answered no items")?;
    let ready: Vec<&Value> = workspaces.iter().filter(|workspace| workspace["status"] == "ready").collect();
    println!(
        "\n{} workspaces hold what was written; none of it is in the directory itself until it is merged:",
        ready.len()
    );
    for workspace in &ready {
        println!("  orchestrator session workspace merge {}", plain(&workspace["sessionId"]));
    }
    for workspace in ready {
        let path = Path::new(workspace["path"].as_str().unwrap_or_default()).join(NAME);
        // Only the planner has written one.
        if let Ok(report) = std::fs::read(&path) {
            let report = String::from_utf8_lossy(&report[..report.len().min(REPORT_BYTES_MAX)]);
            println!("\n{}:\n\n{}", path.display(), report.trim_end());
        }
    }
    Ok(())
}
