use std::path::Path;

use orchestrator_testkit::{Builder, Daemon};
use serde_json::{Value, json};

use crate::Scale;
use crate::figure::{Aim, Figure, micros};
use crate::process::{processor_time, resident_kib};

/// Calls of the model in each session that is measured: the last one ends it.
const TURNS: usize = 10;
/// Longer than anybody measures.
const HELD_MS: u64 = 3_600_000;

/// What a turn of an agent takes of the daemon's processor time, everything included.
pub(crate) async fn turns(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let sessions = scale.of(500, 20);
    let place = tempfile::tempdir()?;
    let call = |turn: usize| json!({"call": {"tool": "task.list", "arguments": {"limit": turn}}});
    let rule = |turn: usize| json!({"when": {"turn": turn}, "say": [call(turn)]});
    let mut rules: Vec<Value> = (1..TURNS).map(rule).collect();
    rules.push(json!({"say": [{"text": "that is all"}]}));
    let daemon = daemon(place.path(), rules, "tools: [task.list]\nmaxInstances: 8")?.start().await?;
    let before = processor_time(daemon.pid())?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.completed"]).await;
    spawn(&mut socket, sessions).await?;
    let mut left = sessions;
    while left > 0 {
        left -= usize::from(socket.next_event().await.name == "task.completed");
    }
    let taken = processor_time(daemon.pid())?.saturating_sub(before);
    let each = micros(taken) / (sessions * TURNS) as f64;
    let conditions = format!(
        "{sessions} sessions of {TURNS} calls of a scripted model and {} of a tool: journal, events, task and session included, SQLite",
        TURNS - 1
    );
    Ok(vec![Figure::new("agent.turn", each, "µs CPU", conditions).aiming(Aim::AtMost(500.0))])
}

/// What many agents at once take of the memory.
pub(crate) async fn memory(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let sessions = scale.of(1_000, 50);
    let place = tempfile::tempdir()?;
    let rules = vec![json!({"delayMs": HELD_MS, "say": [{"text": "at last"}]})];
    let daemon = daemon(place.path(), rules, "tools: []\nmaxInstances: 2000")?.start().await?;
    let mut socket = daemon.admin().await;
    let idle = resident_kib(daemon.pid())?;
    socket.subscribe(&["stream.start"]).await;
    spawn(&mut socket, sessions).await?;
    for _ in 0..sessions {
        socket.next_event().await;
    }
    let all = resident_kib(daemon.pid())?;
    let megabytes = |kib: u64| kib as f64 * 1.024 / 1_000.0;
    let conditions = format!(
        "resident with {sessions} sessions that wait for their model, {:.1} of it before them",
        megabytes(idle)
    );
    Ok(vec![Figure::new("agent.memory", megabytes(all), "MB", conditions).aiming(Aim::AtMost(300.0))])
}

/// One whose agent `bench` asks a model that follows these rules.
fn daemon(place: &Path, rules: Vec<Value>, front: &str) -> anyhow::Result<Builder> {
    let (script, agents) = (place.join("script.json"), place.join("agents"));
    std::fs::write(&script, json!({"rules": rules}).to_string())?;
    std::fs::create_dir_all(&agents)?;
    std::fs::write(agents.join("bench.md"), format!("---\n{front}\n---\nYou do as you are told.\n"))?;
    Ok(Daemon::builder().without_rate_limits().config(json!({
        "daemon": {"maxSessions": 2_000},
        "models": {
            "providers": {"bench": {"kind": "scripted", "script": script, "maxConcurrent": 2_000}},
            "primary": "bench/scripted",
            "limits": {"timeoutMs": HELD_MS},
        },
        "agentFiles": {"directories": [agents]},
        "tools": {"allow": ["task.list"]},
        // What is measured is not how soon a budget ends.
        "budget": {"daily": null, "weekly": null, "monthly": null},
    })))
}

async fn spawn(socket: &mut orchestrator_testkit::Socket, count: usize) -> anyhow::Result<()> {
    let orders = (0..count).map(|n| json!({"agent": "bench", "prompt": format!("order {n}")}));
    socket.call_all("agent.spawn", orders, 16).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(())
}
