//! `orchestrator status`

use std::time::Duration;

use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::{Answer, lines};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::live;
use crate::out::toned;
use crate::show::{millis, plain, span, text};

pub(super) async fn run(daemon: &Daemon, watch: bool) -> Result<(), Failure> {
    live::show(daemon, watch, &["task.*", "session.*", "agent.*"], || answer(daemon)).await
}

async fn answer(daemon: &Daemon) -> Result<Answer, Failure> {
    let status = daemon.call("daemon.status", json!({})).await?;
    let out = &daemon.out;
    let mut table = out.table(&[]);
    let uptime = Duration::from_secs(status["uptimeSeconds"].as_u64().unwrap_or(0));
    table.add_row(vec![Cell::new("health"), toned(text(&status, "health"))]);
    if !text(&status, "problem").is_empty() {
        table.add_row(vec!["problem", text(&status, "problem")]);
    }
    if status["emergency"].is_object() {
        table.add_row(vec!["emergency stop".to_owned(), super::emergency::described(&status["emergency"])]);
    }
    table.add_row(vec!["daemon".to_owned(), format!("{} {}", text(&status, "name"), text(&status, "version"))]);
    table.add_row(vec!["up for".to_owned(), span(uptime)]);
    for group in ["tasks", "sessions"] {
        for (word, number) in status[group].as_object().into_iter().flatten() {
            let label = format!("{group} {}", word.replace('_', " "));
            table.add_row(vec![Cell::new(label), Cell::new(plain(number))]);
        }
    }
    table.add_row(vec!["ready to be claimed".to_owned(), ready(&status)]);
    table.add_row(vec!["subscriptions".to_owned(), plain(&status["subscriptions"])]);
    let mut said = lines(&mut table);
    let broken = |part: &&Value| text(part, "state") != "running";
    for part in status["loops"].as_array().into_iter().flatten().filter(broken) {
        let (name, state, error) = (text(part, "name"), text(part, "state"), text(part, "lastError"));
        said.push_str(&format!("\n{name} is {state} {error}"));
    }
    Ok(Answer { ids: vec![text(&status, "health").to_owned()], ..Answer::told(status, said) })
}

fn ready(status: &Value) -> String {
    match status["oldestReadyMs"].as_u64() {
        Some(1..) => format!("{} (the oldest for {})", plain(&status["ready"]), millis(&status["oldestReadyMs"])),
        _ => plain(&status["ready"]),
    }
}
