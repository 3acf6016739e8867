use comfy_table::Cell;
use serde_json::Value;

use super::one;
use crate::answer::{Answer, lines};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::Out;
use crate::sentence;
use crate::show::{plain, pretty, text};

const FIELDS: [(&str, &str); 20] = [
    ("task", "/id"),
    ("title", "/title"),
    ("status", "/status"),
    ("priority", "/priority"),
    ("kind", "/kind"),
    ("agent", "/owner"),
    ("attempt", "/attempt"),
    ("max attempts", "/maxAttempts"),
    ("waits for", "/waitingOn"),
    ("requires", "/requiredCapabilities"),
    ("tags", "/tags"),
    ("metadata", "/metadata"),
    ("parent", "/parentId"),
    ("schedule", "/scheduleId"),
    ("not before", "/runAt"),
    ("deadline", "/deadline"),
    ("created", "/createdAt"),
    ("created by", "/createdBy"),
    ("started", "/startedAt"),
    ("finished", "/finishedAt"),
];

pub(super) async fn get(daemon: &Daemon, id: &str) -> Result<(), Failure> {
    let task = daemon.call("task.get", one(id)).await?;
    let mut answer = Answer::fields(&daemon.out, task, &FIELDS);
    let task = &answer.json;
    let mut more = String::new();
    for dependency in task["dependsOn"].as_array().into_iter().flatten() {
        let (on, policy) = (text(dependency, "taskId"), text(dependency, "onFailure"));
        more.push_str(&format!("depends on {on} (if that fails: {policy})\n"));
    }
    for (label, field) in [
        ("description", "description"),
        ("progress", "progress"),
        ("result", "result"),
        ("error", "error"),
        ("reason", "reason"),
    ] {
        let value = pretty(&task[field]);
        if !task[field].is_null() && !value.is_empty() {
            more.push_str(&format!("\n{label}:\n{value}\n"));
        }
    }
    answer.text = format!("{}\n{more}", answer.text);
    daemon.out.show(&answer)
}

pub(super) async fn explain(daemon: &Daemon, id: &str) -> Result<(), Failure> {
    let explanation = daemon.call("task.explain", one(id)).await?;
    let status = text(&explanation, "status");
    let mut said = match text(&explanation, "why") {
        "finished" => format!("{id} is {status}; what came of it: orchestrator task get {id}"),
        _ => format!("{id} is {}: it {}", status.replace('_', " "), verb(&sentence::why(&explanation))),
    };
    if let Some(table) = why_table(&daemon.out, &explanation) {
        said = format!("{said}\n\n{table}");
    }
    daemon.out.show(&Answer { ids: vec![id.to_owned()], ..Answer::told(explanation, said) })
}

/// Makes a clause of a sentence that may be one already.
fn verb(why: &str) -> String {
    let is_clause = ["runs ", "waits ", "goes ", "it "].iter().any(|start| why.starts_with(start));
    match why.strip_prefix("it ") {
        Some(rest) => rest.to_owned(),
        None if is_clause => why.to_owned(),
        None => format!("does not run: {why}"),
    }
}

/// The agents that were or would be considered, the best first.
fn why_table(out: &Out, explanation: &Value) -> Option<String> {
    let candidates = explanation["candidates"].as_array().filter(|candidates| !candidates.is_empty())?;
    let mut table = out.table(&["AGENT", "SCORE", "CAPABILITY", "LOAD", "AVAILABLE", "PRIORITY", "WHY NOT"]);
    for candidate in candidates {
        let score = |part: &str| Cell::new(plain(&candidate["scores"][part]));
        table.add_row(vec![
            Cell::new(text(candidate, "agentId")),
            score("total"),
            score("capability"),
            score("load"),
            score("availability"),
            score("priority"),
            Cell::new(sentence::why_not(candidate)),
        ]);
    }
    Some(lines(&mut table))
}

pub(super) async fn history(daemon: &Daemon, id: &str, limit: usize) -> Result<(), Failure> {
    let events = daemon.items("task.history", one(id), limit).await?;
    let row = |event: &Value| {
        let name = text(event, "event");
        let said = sentence::event(name, &event["payload"]).unwrap_or_else(|| plain(&event["payload"]));
        vec![
            Cell::new(plain(&event["seq"])),
            Cell::new(text(event, "time")),
            Cell::new(name),
            Cell::new(text(event, "actor")),
            Cell::new(said),
        ]
    };
    let header = ["SEQ", "TIME", "EVENT", "BY", "WHAT"];
    daemon.out.show(&Answer::list(&daemon.out, events, &header, "no events are kept of it", row))
}
