use std::time::{Duration, Instant};

use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Event, Socket, on_both_backends};
use serde_json::{Value, json};

use crate::{Stage, asking, completed, create, have_ended, runs, sessions, spawn, task};

/// What is promised.
const DEAD_WITHIN: Duration = Duration::from_secs(1);

on_both_backends!(everything_ends_within_a_second_stays_so_after_a_kill_and_goes_on_once_it_is_released);

async fn everything_ends_within_a_second_stays_so_after_a_kill_and_goes_on_once_it_is_released(
    backend: Backend,
) -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.backend(backend).start().await?;
    let mut admin = daemon.admin().await;
    let worker = create(&mut admin, "work").await?;
    let thinker = spawn(&mut admin, "thinker", "Sleep.").await?;
    let coder = spawn(&mut admin, "coder", "What the team asks:\n@hang").await?;
    let (mut trying, mut asking_a_model) = (daemon.admin().await, daemon.admin().await);
    let try_it = json!({ "tool": "command.run", "workspace": "try", "arguments": stage.sleeping("tried") });
    let tried = trying.send("tool.call", try_it.clone()).await.expect("a connection");
    let asked = asking_a_model.send("model.chat", asking("take your time")).await.expect("a connection");
    let mut pids = Vec::new();
    for name in ["worker", "child", "tool", "coder", "tried", "server"] {
        pids.push(stage.pid(name).await);
    }
    assert!(pids.iter().all(|pid| runs(pid)), "{pids:?}");
    let before = [sessions(&mut admin, &thinker).await?, sessions(&mut admin, &coder).await?];

    let begun = Instant::now();
    let standing = admin.call("emergency.stop", json!({ "reason": "it deletes everything" })).await?;
    have_ended(&pids).await;
    let took = begun.elapsed();
    assert!(took < DEAD_WITHIN, "it took {took:?}");
    assert_eq!(
        (&standing["stopped"], &standing["byOperator"]["reason"]),
        (&json!(true), &json!("it deletes everything"))
    );
    let cut = trying.reply(tried).await.expect("a connection").expect_err("it was cut off");
    assert!(cut.code == Code::Forbidden && cut.message.contains("it deletes everything"), "{cut:?}");
    let cut = asking_a_model.reply(asked).await.expect("a connection").expect_err("it was cut off");
    assert!(cut.message.contains("emergency stop"), "{cut:?}");
    admin.subscribe_after(&["session.*", "emergency.*"], 0).await;
    admin
        .events_until("the suspension", |event| {
            event.payload["sessionId"] == before[0][0]["id"] && event.payload["status"] == "suspended"
        })
        .await;

    let daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    let standing = admin.call("emergency.status", json!({})).await?;
    assert_eq!(
        (&standing["stopped"], &standing["byOperator"]["by"]),
        (&json!(true), &json!("user:administrator")),
        "{standing}"
    );
    let refused = admin.call("tool.call", try_it).await.expect_err("it is stopped");
    assert!(refused.code == Code::Forbidden && refused.message.contains("it deletes everything"), "{refused:?}");
    let unborn = create(&mut admin, "work").await?;
    for one in [&worker, &thinker, &coder, &unborn] {
        assert_eq!(task(&mut admin, one).await?["status"], "pending");
    }
    nobody_is_at_work(&mut admin).await?;

    admin.subscribe(&["task.*", "emergency.*"]).await;
    let standing = admin.call("emergency.release", json!({ "reason": "it was a drill" })).await?;
    assert_eq!(standing, json!({ "stopped": false }));
    all_complete(&mut admin, vec![worker, thinker.clone(), coder.clone(), unborn]).await;
    for (one, before) in [thinker, coder].iter().zip(before) {
        let after = sessions(&mut admin, one).await?;
        assert_eq!((after.len(), &after[0]["id"]), (1, &before[0]["id"]), "it is the same session: {after:?}");
        assert_eq!(task(&mut admin, one).await?["attempt"], 1, "being stopped was no attempt");
    }
    Ok(())
}

async fn nobody_is_at_work(admin: &mut Socket) -> anyhow::Result<()> {
    let now = admin.call("session.list", json!({ "limit": 200 })).await?;
    let is_at_work =
        |session: &&Value| ["initializing", "running", "paused"].iter().any(|status| session["status"] == **status);
    assert_eq!(now["sessions"].as_array().into_iter().flatten().find(is_at_work), None, "{now}");
    Ok(())
}

async fn all_complete(admin: &mut Socket, mut open: Vec<Value>) {
    while !open.is_empty() {
        let is_end = |event: &Event| event.name == "task.completed" || event.name == "task.failed";
        let end = admin.events_until("an end", is_end).await.pop().expect("it was waited for");
        assert_eq!(end.name, "task.completed", "{end:?}");
        open.retain(|one| *one != end.payload["taskId"]);
    }
}

#[tokio::test]
async fn a_session_is_told_what_its_calls_came_to_and_nobody_has_to_settle_them() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*"]).await;
    let thinker = spawn(&mut admin, "thinker", "Sleep.").await?;
    stage.pid("tool").await;
    admin.call("emergency.stop", json!({ "reason": "a drill" })).await?;
    admin.events_until("the suspension", |event| event.payload["status"] == "suspended").await;
    admin.call("emergency.release", json!({ "reason": "over" })).await?;
    let done = completed(&mut admin, &thinker).await;
    assert_eq!(done.payload["result"], "done", "{done:?}");
    let session = &sessions(&mut admin, &thinker).await?[0];
    let history = admin.call("session.history", json!({ "sessionId": session["id"] })).await?.to_string();
    assert!(history.contains("the emergency stop is in force") && history.contains("a drill"), "{history}");
    Ok(())
}
