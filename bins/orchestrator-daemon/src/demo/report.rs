use std::path::Path;

use anyhow::Context as _;
use orchestrator_client::Client;
use serde_json::{Value, json};

use super::watch::plain;

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
