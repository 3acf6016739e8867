use async_trait::async_trait;
use serde_json::Value;

use crate::{Answer, Event, Failed, Handler, Input};

/// One line for each task that is over.
pub(super) struct TaskLog;

#[async_trait]
impl Handler for TaskLog {
    async fn run(&self, _: Event, input: &Input) -> Result<Answer, Failed> {
        let text = |name: &str| input.facts.get(name).and_then(Value::as_str).unwrap_or_default();
        let task = input.task.map(|task| task.to_string()).unwrap_or_default();
        let agent = input.agent.as_ref().map(ToString::to_string).unwrap_or_default();
        tracing::info!(org = %input.org, task, agent, status = text("task_status"), reason = text("reason"), "a task is over");
        Ok(Answer::default())
    }
}
