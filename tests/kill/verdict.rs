use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use orchestrator_testkit::{Daemon, Event};
use serde_json::{Value, json};

use crate::ledger::{Book, Ledger};

/// Everything that was promised, against what is there and what was told.
pub(crate) async fn check(daemon: &Daemon, ledger: &Ledger) -> anyhow::Result<()> {
    let (events, tasks) = (logged(daemon).await?, listed(daemon).await?);
    let book = ledger.book();
    println!("{book:?}, {} tasks in all", tasks.len());
    delivered_in_order(&book, &events)?;
    nothing_lost(&book, &tasks)?;
    nothing_twice(&tasks, &book.events)?;
    nothing_early(&book)
}

/// Each number once, none left out, and what was told is what is in the log.
fn delivered_in_order(book: &Book, logged: &[Value]) -> anyhow::Result<()> {
    for (index, event) in book.events.iter().enumerate() {
        ensure!(event.seq == Some(index as u64 + 1), "event {index} has number {:?}: {event:?}", event.seq);
        let kept = logged.get(index).with_context(|| format!("{event:?} was told and is not in the log"))?;
        let same = kept["event"] == event.name.as_str() && kept["payload"] == event.payload;
        ensure!(same, "number {} was told as {event:?} and is in the log as {kept}", index + 1);
    }
    Ok(())
}

fn nothing_lost(book: &Book, tasks: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    for id in book.created.keys() {
        let task = tasks.get(id).with_context(|| format!("{id} was acknowledged and is lost"))?;
        ensure!(task["status"] == "completed", "{id} is not completed: {task}");
    }
    for (id, worker) in &book.completed {
        let by = &tasks[id]["result"]["by"];
        ensure!(by == worker, "{worker} was told that it completed {id}, and {by} did");
    }
    Ok(())
}

/// Each task was created once under its key and completed at most once, and never claimed again after that.
fn nothing_twice(tasks: &BTreeMap<String, Value>, events: &[Event]) -> anyhow::Result<()> {
    let mut titles = BTreeMap::new();
    for task in tasks.values() {
        if let Some(other) = titles.insert(task["title"].to_string(), task) {
            anyhow::bail!("two tasks were made for one key: {other} and {task}");
        }
    }
    let mut completed = BTreeMap::new();
    for event in events {
        let id = event.payload["taskId"].to_string();
        if event.name == "task.completed"
            && let Some(first) = completed.insert(id.clone(), event)
        {
            anyhow::bail!("{id} was completed twice: {first:?} and {event:?}");
        }
        ensure!(
            event.name != "task.claimed" || !completed.contains_key(&id),
            "{id} was claimed after its end: {event:?}"
        );
    }
    Ok(())
}

fn nothing_early(book: &Book) -> anyhow::Result<()> {
    let first = |name: &str, id: &str| {
        let event = book.events.iter().find(|event| event.name == name && event.payload["taskId"] == id);
        event.and_then(|event| event.seq).with_context(|| format!("no {name} of {id}"))
    };
    for (id, waits_for) in &book.created {
        for blocker in waits_for {
            let (done, begun) = (first("task.completed", blocker)?, first("task.claimed", id)?);
            ensure!(done < begun, "{id} was claimed (event {begun}) before {blocker} was completed (event {done})");
        }
    }
    Ok(())
}

async fn logged(daemon: &Daemon) -> anyhow::Result<Vec<Value>> {
    pages(daemon, "event.list", "seq").await
}

async fn listed(daemon: &Daemon) -> anyhow::Result<BTreeMap<String, Value>> {
    let tasks = pages(daemon, "task.list", "id").await?;
    Ok(tasks.into_iter().map(|task| (task["id"].as_str().unwrap_or_default().to_owned(), task)).collect())
}

async fn pages(daemon: &Daemon, method: &str, key: &str) -> anyhow::Result<Vec<Value>> {
    let (mut socket, mut all, mut params) = (daemon.admin().await, Vec::new(), json!({"limit": 1000}));
    loop {
        let mut page = socket.call(method, params.clone()).await?;
        all.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        match page.get("nextCursor") {
            Some(cursor) => params["cursor"] = cursor.clone(),
            None => break,
        }
    }
    ensure!(all.iter().all(|item| !item[key].is_null()), "{method} lists things without {key}");
    Ok(all)
}
