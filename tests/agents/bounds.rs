//! How many instances of agents there may be at once.

use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use crate::{Folder, daemon, run_by};

const TASKS: usize = 200;

/// Ten developers, each with room for everything.
fn developers(program: &str) -> anyhow::Result<Folder> {
    let folder = Folder::with(&[])?;
    for number in 0..10 {
        folder.write(&format!("dev-{number}.md"), &run_by(program, "type: developer\nmaxInstances: 200\n"))?;
    }
    Ok(folder)
}

/// The most that were at work at once while all tasks were done, and by how many agents.
async fn at_once(daemon: &Daemon) -> anyhow::Result<(usize, usize)> {
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.claimed", "task.completed", "task.failed", "task.released"]).await;
    let tasks: Vec<Value> =
        (0..TASKS).map(|n| json!({"title": n.to_string(), "requiredCapabilities": ["type.developer"]})).collect();
    admin.call("task.createMany", json!({"tasks": tasks})).await?;
    let (mut now, mut most, mut done) = (0_usize, 0, 0);
    let mut agents = std::collections::BTreeSet::new();
    while done < TASKS {
        let event = admin.next_event().await;
        match event.name.as_str() {
            "task.claimed" => {
                now += 1;
                agents.insert(event.payload["agentId"].to_string());
            }
            name => {
                now -= 1;
                done += usize::from(name == "task.completed");
            }
        }
        most = most.max(now);
    }
    Ok((most, agents.len()))
}

#[tokio::test]
async fn of_a_type_no_more_work_at_once_than_the_bound_says() -> anyhow::Result<()> {
    let folder = developers("quick")?;
    let bounded = daemon(&folder).config(json!({"registry": {"maxPerType": {"developer": 5}}})).start().await?;
    let (most, agents) = at_once(&bounded).await?;
    assert!(most == 5 && agents > 1, "{most} at once, {agents} agents");
    Ok(())
}

#[tokio::test]
async fn without_the_bound_more_work_at_once() -> anyhow::Result<()> {
    let folder = developers("quick")?;
    let (most, _) = at_once(&daemon(&folder).start().await?).await?;
    assert!(most > 5, "{most} at once");
    Ok(())
}

#[tokio::test]
async fn an_agent_has_no_more_instances_than_its_file_says() -> anyhow::Result<()> {
    let folder = Folder::with(&[("few.md", &run_by("runner", "maxInstances: 2\n"))])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let spawn = async |socket: &mut Socket| {
        let spawned = socket.call("agent.spawn", json!({"agent": "few", "prompt": "wait"})).await.expect("it is there");
        spawned["taskId"].clone()
    };
    let tasks = [spawn(&mut admin).await, spawn(&mut admin).await, spawn(&mut admin).await];
    admin.event_about("task.claimed", &tasks[0]).await;
    admin.event_about("task.claimed", &tasks[1]).await;
    let why = admin.call("task.explain", json!({"taskId": tasks[2]})).await?;
    let few = why["candidates"].as_array().and_then(|all| all.iter().find(|one| one["agentId"] == "few")).cloned();
    assert_eq!(few.unwrap_or_default()["whyNot"], json!({"reason": "busy", "running": 2, "maxConcurrent": 2}), "{why}");
    std::fs::write(daemon.work_directory().join("go"), "")?;
    admin.event_about("task.completed", &tasks[2]).await;
    Ok(())
}
