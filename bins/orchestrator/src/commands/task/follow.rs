use std::collections::BTreeSet;

use orchestrator_client::{Delivery, Event, Subscription, Topics};
use serde_json::{Value, json};

use super::one;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::Tone;
use crate::sentence;
use crate::show::{count, pretty, text};

/// What is shown of a task's way: everything about it, and what its agent prints.
const EVENTS: [&str; 4] = ["task.*", "scheduler.*", "session.*", "stream.*"];

/// Follows tasks from now on until they have ended.
pub(super) async fn run(daemon: &Daemon, ids: Vec<String>) -> Result<(), Failure> {
    let events = daemon.subscribe(topics(&ids)).await?;
    follow(daemon, ids, events).await
}

/// Follows tasks from after an event on.
pub(super) async fn after(daemon: &Daemon, ids: Vec<String>, seq: u64) -> Result<(), Failure> {
    let events = daemon.subscribe(topics(&ids).after(seq)).await?;
    follow(daemon, ids, events).await
}

/// The daemon can filter for one task; more are filtered here.
fn topics(ids: &[String]) -> Topics {
    let topics = Topics::new(EVENTS);
    match ids {
        [id] => topics.with_field("taskId", id.as_str()),
        _ => topics,
    }
}

async fn follow(daemon: &Daemon, ids: Vec<String>, mut events: Subscription) -> Result<(), Failure> {
    let mut open: BTreeSet<String> = ids.iter().cloned().collect();
    let is_one = open.len() == 1;
    let mut ended = settled(daemon, &mut open, None).await?;
    while !open.is_empty() {
        let Some(delivery) = events.next().await.transpose()? else {
            return Err(Failure::failed("the connection ended"));
        };
        match delivery {
            Delivery::Event(event) => {
                let payload: Value = event.parse().unwrap_or(Value::Null);
                let id = text(&payload, "taskId").to_owned();
                if !open.contains(&id) {
                    continue;
                }
                show(daemon, &event, &payload, is_one)?;
                if is_end(&event.name) {
                    ended.extend(settled(daemon, &mut open, Some(&id)).await?);
                }
            }
            // Something was missed: an end may have been among it.
            Delivery::Gap(_) | Delivery::Resumed(_) => ended.extend(settled(daemon, &mut open, None).await?),
        }
    }
    // What the agents said last may still be on its way behind the end of a task; it is not waited for.
    conclude(daemon, &ended, is_one)
}

fn is_end(name: &str) -> bool {
    matches!(name, "task.completed" | "task.failed" | "task.cancelled" | "task.deleted")
}

/// Takes those out of `open` that have ended, and gives them back whole.
async fn settled(daemon: &Daemon, open: &mut BTreeSet<String>, only: Option<&str>) -> Result<Vec<Value>, Failure> {
    let asked: Vec<String> = match only {
        Some(id) => vec![id.to_owned()],
        None => open.iter().cloned().collect(),
    };
    let mut ended = Vec::new();
    for id in asked {
        let task = daemon.call("task.get", one(&id)).await?;
        if matches!(text(&task, "status"), "completed" | "failed" | "cancelled") {
            open.remove(&id);
            ended.push(task);
        }
    }
    Ok(ended)
}

fn show(daemon: &Daemon, event: &Event, payload: &Value, is_one: bool) -> Result<(), Failure> {
    let out = &daemon.out;
    if out.is_json() {
        return out.json_line(&json!({ "event": event.name, "seq": event.seq, "payload": payload }));
    }
    let Some(said) = sentence::event(&event.name, payload).filter(|said| out.is_text() && !said.is_empty()) else {
        return Ok(());
    };
    let whose = if is_one { String::new() } else { format!("{}  ", tail(text(payload, "taskId"))) };
    match event.name.as_str() {
        "stream.chunk" => {
            said.lines().try_for_each(|line| out.line(&format!("{whose}  {} {line}", out.paint("|", Tone::Faint))))
        }
        name => out.line(&format!("{whose}{}", out.paint(&said, tone(name)))),
    }
}

fn tone(name: &str) -> Tone {
    match name {
        "task.completed" => Tone::Good,
        "task.failed" => Tone::Bad,
        "task.claimed" => Tone::Busy,
        "task.released" | "scheduler.skipped" | "task.blocked" => Tone::Waiting,
        "task.created" | "task.progressed" | "task.cancelled" => Tone::Plain,
        _ => Tone::Faint,
    }
}

/// The end of an id is what differs between tasks of one moment.
fn tail(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

fn conclude(daemon: &Daemon, ended: &[Value], is_one: bool) -> Result<(), Failure> {
    let out = &daemon.out;
    for task in ended {
        if out.is_json() {
            out.json_line(task)?;
        } else if !out.is_text() {
            out.line(text(task, "id"))?;
        } else if is_one && !task["result"].is_null() {
            out.line(&format!("\n{}", pretty(&task["result"])))?;
        }
    }
    let unfinished: Vec<&Value> = ended.iter().filter(|task| text(task, "status") != "completed").collect();
    let Some(first) = unfinished.first() else { return Ok(()) };
    let (id, status) = (text(first, "id"), text(first, "status"));
    let why = ["error", "reason"].map(|field| text(first, field)).into_iter().find(|why| !why.is_empty());
    let message = match unfinished.len() {
        1 => format!("{id} is {status}: {}", why.unwrap_or("nobody said why")),
        several => {
            format!("{} did not complete, {id} is {status}: {}", count(several, "task"), why.unwrap_or_default())
        }
    };
    Err(Failure::failed(message)
        .hint(format!("orchestrator task history {id}, or start it anew: orchestrator task retry {id}")))
}
