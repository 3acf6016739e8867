use std::collections::HashMap;

use anyhow::Context as _;
use orchestrator_client::{Client, Delivery, Subscription, Topics};
use serde_json::Value;

/// As much of what is said is shown on a line.
const CHARS_MAX: usize = 96;
/// How a task may end.
const ENDINGS: [&str; 3] = ["task.completed", "task.failed", "task.cancelled"];

/// Follows the team's task and those that come of it.
pub(super) struct Watch {
    events: Subscription,
    /// Those that were created since, in their order.
    tasks: Vec<String>,
    /// Who works on which.
    agents: HashMap<String, String>,
}

impl Watch {
    /// Begins before the task is created, so that nothing is missed.
    pub(super) async fn start(client: &Client) -> anyhow::Result<Self> {
        let events = client.subscribe(Topics::new(["task.*", "tool.*"])).await?;
        Ok(Self { events, tasks: Vec::new(), agents: HashMap::new() })
    }

    pub(super) fn into_tasks(self) -> Vec<String> {
        self.tasks
    }

    /// Prints a line for each step until this task has ended; true if it completed.
    pub(super) async fn follow(&mut self, task: &str) -> anyhow::Result<bool> {
        loop {
            let delivery = self.events.next().await.context("the daemon closed the subscription")??;
            let Delivery::Event(event) = delivery else { continue };
            let payload: Value = event.parse()?;
            self.tell(&event.name, &payload);
            if payload["taskId"].as_str() == Some(task) && ENDINGS.contains(&event.name.as_str()) {
                return Ok(event.name == "task.completed");
            }
        }
    }

    fn tell(&mut self, event: &str, payload: &Value) {
        let text = |field: &str| payload[field].as_str().unwrap_or_default().to_owned();
        let task = text("taskId");
        match event {
            "task.created" => self.tasks.push(task.clone()),
            "task.claimed" => drop(self.agents.insert(task.clone(), text("agentId"))),
            _ => {}
        }
        let told = match event {
            "task.claimed" => "begins".to_owned(),
            "tool.request" => format!("{} {}", text("tool"), payload["input"]),
            "tool.result" if payload["success"] == false => format!("{} said: {}", text("tool"), payload["result"]),
            "task.completed" => format!("is done: {}", plain(&payload["result"])),
            "task.failed" | "task.released" => format!("has failed: {}", text("error")),
            "task.cancelled" => format!("was called off: {}", text("reason")),
            _ => return,
        };
        let agent = self.agents.get(&task).map_or("", String::as_str);
        println!("  {agent:<14} {}", short(&told));
    }
}

/// A text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn short(text: &str) -> String {
    let line = text.replace('\n', " ");
    match line.char_indices().nth(CHARS_MAX) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}
