use std::collections::HashMap;

use anyhow::Context as _;
use orchestrator_client::{Client, Delivery, Subscription, Topics};
use serde_json::{Value, json};

/// Follows the tasks of the demonstration to their end.
pub(super) struct Watch(Subscription);

impl Watch {
    /// Begins before the tasks are created, so that nothing is missed.
    pub(super) async fn start(client: &Client) -> anyhow::Result<Self> {
        Ok(Self(client.subscribe(Topics::new(["task.*"])).await?))
    }

    /// Prints a line for each step; true if all completed.
    pub(super) async fn follow(mut self, tasks: &[Value]) -> anyhow::Result<bool> {
        let titles: HashMap<&str, &str> =
            tasks.iter().filter_map(|task| Some((task["id"].as_str()?, task["title"].as_str()?))).collect();
        let (mut open, mut all_completed) = (titles.len(), true);
        while open > 0 {
            let delivery = self.0.next().await.context("the daemon closed the subscription")??;
            let Delivery::Event(event) = delivery else { continue };
            let payload: Value = event.parse()?;
            let Some(title) = payload["taskId"].as_str().and_then(|id| titles.get(id)) else { continue };
            let detail = match event.name.as_str() {
                "task.claimed" => format!("by {}", text(&payload, "agentId")),
                "task.progressed" => payload["progress"].to_string(),
                "task.completed" => payload["result"].to_string(),
                "task.failed" => text(&payload, "error").to_owned(),
                "task.cancelled" => text(&payload, "reason").to_owned(),
                "task.released" => format!("attempt {}: {}", payload["attempt"], text(&payload, "error")),
                _ => continue,
            };
            println!("  {:<16} {title}  {detail}", event.name);
            if matches!(event.name.as_str(), "task.completed" | "task.failed" | "task.cancelled") {
                open -= 1;
                all_completed &= event.name == "task.completed";
            }
        }
        Ok(all_completed)
    }
}

/// What each task has to show for itself, as the daemon stored it.
pub(super) async fn results(client: &Client, tasks: &[Value]) -> anyhow::Result<()> {
    println!("\nresults:");
    for task in tasks {
        let task: Value = client.call("task.get", &json!({ "taskId": task["id"] })).await?;
        println!("  {:<10} {:<32} {}", text(&task, "status"), text(&task, "title"), task["result"]);
    }
    Ok(())
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
