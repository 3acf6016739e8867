//! `orchestrator report`: what a person wants to know in the morning.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use comfy_table::Cell;
use futures::StreamExt as _;
use futures::stream;
use orchestrator_vocab::Timestamp;
use serde_json::{Value, json};

use crate::answer::{Answer, lines};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{ago, count, now, plain, short, span, text};
use crate::{sentence, values};

/// Questions on their way at once.
const ASKED_AT_ONCE: usize = 16;
/// Events looked at, at most.
const EVENTS_MAX: usize = 100_000;

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// How far back
    #[arg(long, default_value = "12h", value_parser = values::span, value_name = "TIME")]
    since: Duration,
    /// Tasks named in each part, at most
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    limit: usize,
}

/// How tasks ended: the last word on each.
type Ended = BTreeMap<&'static str, Vec<Value>>;

pub(crate) async fn run(daemon: &Daemon, args: &ReportArgs) -> Result<(), Failure> {
    let since = now() - args.since;
    let ended = ended(daemon, since).await?;
    let mut json = json!({ "since": since });
    let mut said = format!("the last {}, since {since}\n", span(args.since));
    for (status, word) in [("completed", "done"), ("failed", "failed"), ("cancelled", "called off")] {
        let events = ended.get(status).map(Vec::as_slice).unwrap_or_default();
        let shown = outcomes(daemon, events, args.limit).await;
        said.push_str(&part(daemon, word, events.len(), &shown));
        json[status] = json!({ "count": events.len(), "tasks": shown });
    }
    let (number, waiting) = waiting(daemon, args.limit).await?;
    said.push_str(&part(daemon, "not done yet", number, &waiting));
    json["waiting"] = json!({ "count": number, "tasks": waiting });
    daemon.out.show(&Answer { ids: failed_ids(&json), json, text: said })
}

/// What a script asks for: the tasks that need somebody.
fn failed_ids(json: &Value) -> Vec<String> {
    let failed = json["failed"]["tasks"].as_array().into_iter().flatten();
    failed.map(|task| text(task, "taskId").to_owned()).collect()
}

/// The newest end of each task, by how it ended.
async fn ended(daemon: &Daemon, since: Timestamp) -> Result<Ended, Failure> {
    let mut params = Value::from(
        Params::new()
            .with("events", ["task.completed", "task.failed", "task.cancelled", "task.released"])
            .with("newestFirst", true)
            .with("limit", 1_000),
    );
    let (mut seen, mut ended, mut looked_at) = (BTreeSet::new(), Ended::new(), 0);
    while looked_at < EVENTS_MAX {
        let mut page = daemon.call("event.list", params.clone()).await?;
        let Value::Array(events) = page["items"].take() else { break };
        looked_at += events.len();
        for event in events {
            let is_older = text(&event, "time").parse::<Timestamp>().is_ok_and(|time| time < since);
            if is_older {
                return Ok(ended);
            }
            // A task that was started anew after it had ended has not ended: its newest event decides.
            let is_newest = seen.insert(text(&event["payload"], "taskId").to_owned());
            let status = match text(&event, "event") {
                "task.completed" => "completed",
                "task.failed" => "failed",
                "task.cancelled" => "cancelled",
                _ => continue,
            };
            if is_newest {
                ended.entry(status).or_default().push(event);
            }
        }
        match page["nextCursor"].take() {
            Value::Null => break,
            cursor => params["cursor"] = cursor,
        }
    }
    Ok(ended)
}

/// The first of them with their titles and what came of them.
async fn outcomes(daemon: &Daemon, events: &[Value], limit: usize) -> Vec<Value> {
    let asked = events.iter().take(limit).map(|event| async move {
        let id = text(&event["payload"], "taskId");
        // A task that was deleted since has no title any more, but it was done all the same.
        let task = daemon.call("task.get", Params::new().with("taskId", id)).await.unwrap_or(Value::Null);
        let why = ["error", "reason", "result"].map(|field| plain(&event["payload"][field]));
        let why = why.into_iter().find(|why| !why.is_empty()).unwrap_or_default();
        json!({
            "taskId": id, "title": text(&task, "title"), "agentId": event["payload"]["agentId"],
            "time": event["time"], "why": why,
        })
    });
    stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await
}

/// What has not ended, the oldest first, and why.
async fn waiting(daemon: &Daemon, limit: usize) -> Result<(usize, Vec<Value>), Failure> {
    let statuses = ["in_progress", "awaiting_approval", "pending", "blocked"];
    let params = Params::new().with("status", statuses);
    let tasks = daemon.items("task.list", params, 10_000).await?;
    let asked = tasks.iter().take(limit).map(|task| async move {
        let id = text(task, "id");
        let explanation = daemon.call("task.explain", Params::new().with("taskId", id)).await.unwrap_or(Value::Null);
        json!({
            "taskId": id, "title": text(task, "title"), "status": task["status"], "time": task["createdAt"],
            "why": sentence::why(&explanation),
        })
    });
    Ok((tasks.len(), stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await))
}

fn part(daemon: &Daemon, word: &str, number: usize, shown: &[Value]) -> String {
    if number == 0 {
        return format!("\n{word}: none\n");
    }
    let mut table = daemon.out.table(&[]);
    for task in shown {
        table.add_row(vec![
            Cell::new(format!("  {}", text(task, "taskId"))),
            Cell::new(ago(&task["time"])),
            Cell::new(short(text(task, "title"), 50)),
            Cell::new(short(text(task, "why"), 100)),
        ]);
    }
    let more = match number - shown.len() {
        0 => String::new(),
        more => format!("  and {more} more\n"),
    };
    format!("\n{word}: {}\n{}\n{more}", count(number, "task"), lines(&mut table))
}
