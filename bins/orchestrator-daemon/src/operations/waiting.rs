//! `task.wait`: for whoever has others work and needs what comes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator_events::{Filter, Hub, Subscription};
use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_tasks::{Backlog, Status, View};
use orchestrator_vocab::{OrgId, TaskId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

/// The operation's name, as a tool too.
pub(crate) const NAME: &str = "task.wait";
/// The longest wait, in milliseconds.
pub(crate) const TIMEOUT_MS_MAX: u64 = 3_600_000;
/// Where the caller does not say.
const TIMEOUT_MS: u64 = 300_000;
/// What is left of a call's own time for the answer.
const FOR_THE_ANSWER: Duration = Duration::from_millis(500);
/// What may end a task.
const ENDINGS: [&str; 4] = ["task.completed", "task.failed", "task.cancelled", "task.deleted"];

/// The parameters of `task.wait`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WaitParams {
    /// Which, 1 to 100.
    #[schemars(length(min = 1, max = 100))]
    task_ids: Vec<TaskId>,
    /// How long at most, in milliseconds, 0 to 3,600,000; a call that has less time answers before that ends. By default
    /// 300,000.
    #[serde(default = "timeout_ms")]
    #[schemars(range(max = 3_600_000))]
    timeout_ms: u64,
    /// Answers as soon as one of them has ended, instead of all.
    #[serde(default)]
    any: bool,
}

fn timeout_ms() -> u64 {
    TIMEOUT_MS
}

/// How far they are.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Waited {
    /// Whether what was waited for has come: else the time was up.
    ended: bool,
    /// All of them, in the order in which they were asked for.
    tasks: Vec<Awaited>,
}

/// What there is to know of a task that somebody waits for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Awaited {
    task_id: TaskId,
    title: String,
    status: Status,
    /// What came of it, once it is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Why it failed, or why its last attempt did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Awaited {
    fn has_ended(&self) -> bool {
        matches!(self.status, Status::Completed | Status::Failed | Status::Cancelled)
    }
}

impl From<View> for Awaited {
    fn from(task: View) -> Self {
        let View { id, title, status, result, error, reason, .. } = task;
        Self { task_id: id, title, status, result, error, reason }
    }
}

/// `task.wait`.
pub(super) fn table(backlog: Backlog, hub: Hub) -> Table {
    let wait = move |call: Call, params: WaitParams| {
        let (backlog, hub) = (backlog.clone(), hub.clone());
        async move { wait(&backlog, &hub, &call, params).await }
    };
    let summary = "Waits until tasks have ended and tells what came of them; or, when the time is up, how far they are";
    Table::new().with(Operation::new(NAME, Scope::Read, summary, wait).read_only().tool().fails_with([Code::NotFound]))
}

async fn wait(backlog: &Backlog, hub: &Hub, call: &Call, params: WaitParams) -> Result<Waited, Error> {
    if !(1..=100).contains(&params.task_ids.len()) {
        return Err(Error::invalid_field("taskIds", "expected 1 to 100 tasks"));
    }
    if params.timeout_ms > TIMEOUT_MS_MAX {
        return Err(Error::invalid_field("timeoutMs", format!("expected at most {TIMEOUT_MS_MAX}")));
    }
    let patience = Instant::now() + Duration::from_millis(params.timeout_ms);
    let until = call
        .deadline
        .map_or(patience, |deadline| patience.min(deadline.checked_sub(FOR_THE_ANSWER).unwrap_or(deadline)));
    let org = call.org();
    // Before they are looked at, so that no end is missed.
    let endings = Filter::parse(ENDINGS).map_err(Error::internal)?;
    let mut endings = hub.subscribe(org, endings).await.map_err(Error::internal)?;
    let mut wanted: BTreeSet<TaskId> = params.task_ids.iter().copied().collect();
    loop {
        let tasks = read(backlog, org, &params.task_ids).await?;
        wanted.retain(|id| tasks.iter().any(|task| task.task_id == *id && !task.has_ended()));
        let ended = if params.any { tasks.iter().any(Awaited::has_ended) } else { wanted.is_empty() };
        if ended || timeout_at(until, ending(&mut endings, &wanted)).await.is_err() {
            return Ok(Waited { ended, tasks });
        }
    }
}

async fn read(backlog: &Backlog, org: OrgId, ids: &[TaskId]) -> Result<Vec<Awaited>, Error> {
    let mut tasks = Vec::with_capacity(ids.len());
    for id in ids {
        let (task, _) = backlog.get(org, *id).await?;
        tasks.push(View::from(task).into());
    }
    Ok(tasks)
}

/// Until something has happened after which they should be looked at again.
async fn ending(endings: &mut Subscription, wanted: &BTreeSet<TaskId>) {
    loop {
        let Ok(orchestrator_events::Delivery::Event(event)) = endings.next().await else { return };
        let id = event.payload.get("taskId").and_then(Value::as_str).and_then(|id| id.parse().ok());
        if id.is_some_and(|id| wanted.contains(&id)) {
            return;
        }
    }
}
