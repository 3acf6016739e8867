//! Several daemons: on one PostgreSQL they work together, on one SQLite file the second one does not start.

use std::collections::HashSet;

use futures::future::join;
use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Builder, Daemon, Event, Socket, shell};
use serde_json::{Value, json};

async fn two() -> anyhow::Result<(Daemon, Daemon)> {
    let first = Daemon::builder().backend(Backend::Postgres).without_rate_limits().start().await?;
    let second = Daemon::builder().backend(Backend::Postgres).without_rate_limits().database_of(&first).start().await?;
    Ok((first, second))
}

async fn created(socket: &mut Socket, count: usize) -> anyhow::Result<Vec<Value>> {
    let drafts: Vec<Value> = (0..count).map(|n| json!({"title": format!("task {n}")})).collect();
    let made = socket.call("task.createMany", json!({"tasks": drafts})).await?;
    Ok(made["items"].as_array().into_iter().flatten().map(|task| task["id"].clone()).collect())
}

#[tokio::test]
async fn two_edges_that_would_close_a_cycle_never_both_get_through() -> anyhow::Result<()> {
    let (first, second) = two().await?;
    let (mut left, mut right) = (first.admin().await, second.admin().await);
    for round in 0..100 {
        let ids = created(&mut left, 2).await?;
        let there = left.call("task.depend", json!({"taskId": ids[0], "dependsOn": [ids[1]]}));
        let back = right.call("task.depend", json!({"taskId": ids[1], "dependsOn": [ids[0]]}));
        let (there, back) = join(there, back).await;
        assert!(there.is_ok() != back.is_ok(), "round {round}: {there:?} and {back:?}");
        let refused = there.err().or(back.err()).expect("one of the two was refused");
        assert_eq!(refused.code, Code::Conflict, "round {round}: {refused:?}");
        let cycle = refused.data.as_ref().map(|data| data["cycle"].clone());
        assert!(cycle.as_ref().is_some_and(Value::is_array), "round {round}: the error names the cycle: {refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_task_is_claimed_through_one_of_them_only() -> anyhow::Result<()> {
    const TASKS: usize = 300;
    let (first, second) = two().await?;
    let (mut left, mut right) = (first.admin().await, second.admin().await);
    for (socket, agent) in [(&mut left, "left"), (&mut right, "right")] {
        socket.call("agent.register", json!({"agentId": agent, "maxConcurrent": 1000})).await?;
    }
    let ids: HashSet<Value> = created(&mut left, TASKS).await?.into_iter().collect();
    let (here, there) = join(claimed(&mut left, "left", TASKS), claimed(&mut right, "right", TASKS)).await;
    assert_eq!(here.len() + there.len(), TASKS, "every task once: {} and {}", here.len(), there.len());
    assert_eq!(here.into_iter().chain(there).collect::<HashSet<_>>(), ids);
    Ok(())
}

/// Claims one by one until there is nothing left.
async fn claimed(socket: &mut Socket, agent: &str, at_most: usize) -> Vec<Value> {
    let (mut ids, mut empty) = (Vec::new(), 0);
    // Another one may hold the heads for a moment: nothing left is when that is said some times in a row.
    while ids.len() < at_most && empty < 5 {
        let claims = socket.call("task.claim", json!({"agentId": agent})).await.expect("a claim");
        match claims["items"].as_array().and_then(|items| items.first()) {
            Some(claim) => {
                ids.push(claim["task"]["id"].clone());
                empty = 0;
            }
            None => empty += 1,
        }
    }
    ids
}

#[tokio::test]
async fn who_listens_to_one_hears_what_happens_at_the_other() -> anyhow::Result<()> {
    let (first, second) = two().await?;
    let (mut creator, mut listener) = (first.admin().await, second.admin().await);
    listener.subscribe(&["task.created"]).await;
    for id in created(&mut creator, 20).await? {
        let event = listener.next_event().await;
        assert_eq!((event.name.as_str(), &event.payload["taskId"]), ("task.created", &id));
    }
    Ok(())
}

#[tokio::test]
async fn what_one_revokes_the_other_closes() -> anyhow::Result<()> {
    let (first, second) = two().await?;
    let params = json!({"kind": "apiKey", "subject": "a test", "scopes": ["daemon.read"]});
    let issued = first.admin_http().call("auth.token.issue", params).await?;
    let mut open = second.socket(issued["token"].as_str().unwrap_or_default()).await;
    open.call("health.ping", json!({})).await?;
    first.admin_http().call("auth.token.revoke", json!({"tokenId": issued["tokenId"]})).await?;
    assert_eq!(open.closed().await.code, Some(4001));
    Ok(())
}

/// Both have the same agents, which is how several daemons share the work.
fn with_agent(script: &str) -> Builder {
    let config = json!({
        "agents": {"worker": shell(script, &[], 2)},
        "tasks": {"leaseMs": 1_000, "sweepMs": 20, "backoff": {"initialMs": 1, "capMs": 1}},
        "sessions": {"heartbeatMs": 100},
    });
    Daemon::builder().backend(Backend::Postgres).without_rate_limits().config(config)
}

#[tokio::test]
async fn a_second_daemon_leaves_the_sessions_of_the_first_alone() -> anyhow::Result<()> {
    let script = "until [ -e go ]; do sleep 0.02; done; echo done";
    let first = with_agent(script).start().await?;
    let mut socket = first.admin().await;
    socket.subscribe(&["session.*", "task.*"]).await;
    let id = created(&mut socket, 1).await?.remove(0);
    socket.event_about("task.claimed", &id).await;
    let second = with_agent(script).database_of(&first).start().await?;
    second.admin().await.call("task.list", json!({})).await?;
    std::fs::write(first.work_directory().join("go"), "")?;
    let events = socket.events_until("its completion", |event| event.name == "task.completed").await;
    let cut = events.iter().find(|event| event.name == "task.released" || event.payload["status"] == "terminated");
    assert!(cut.is_none(), "the session was cut off: {cut:?}");
    Ok(())
}

#[tokio::test]
async fn what_a_killed_daemon_was_working_on_is_finished_by_the_other() -> anyhow::Result<()> {
    const TASKS: usize = 20;
    let first = with_agent("sleep 0.1; echo done").start().await?;
    let second = with_agent("sleep 0.1; echo done").database_of(&first).start().await?;
    let mut socket = second.admin().await;
    socket.subscribe(&["task.*", "session.created"]).await;
    created(&mut socket, TASKS).await?;
    let mut begun = 0;
    let until_some_run = |event: &Event| {
        begun += usize::from(event.name == "session.created");
        begun == 4
    };
    let mut events = socket.events_until("four sessions", until_some_run).await;
    let killed = first.kill().await;
    let mut completed = events.iter().filter(|event| event.name == "task.completed").count();
    let until_all_are_done = |event: &Event| {
        completed += usize::from(event.name == "task.completed");
        completed == TASKS
    };
    events.extend(socket.events_until("all to be completed", until_all_are_done).await);
    let ends = events.iter().filter(|event| event.name == "task.completed");
    let done: HashSet<_> = ends.map(|event| event.payload["taskId"].to_string()).collect();
    assert_eq!(done.len(), TASKS, "each once");
    killed.start().await?;
    Ok(())
}

#[tokio::test]
async fn a_second_daemon_on_one_sqlite_file_does_not_start() -> anyhow::Result<()> {
    let first = Daemon::builder().start().await?;
    let refused = Daemon::builder().directory_of(&first).refused().await?;
    assert!(!refused.status.success());
    let says_why = refused.output.contains("orchestrator.db") && refused.output.contains("another");
    assert!(says_why, "it names the file and says that another process has it: {}", refused.output);
    first.admin().await.call("task.create", json!({"title": "the first one works on"})).await?;
    Ok(())
}
