//! Agents that are spawned, stopped, and had back.

use orchestrator_rpc::Code;
use serde_json::{Value, json};

use crate::{Folder, daemon, run_by};

#[tokio::test]
async fn what_is_spawned_is_worked_on_by_that_agent_and_no_other() -> anyhow::Result<()> {
    let folder = Folder::with(&[("one.md", &run_by("quick", "tools: fs.read\n")), ("other.md", &run_by("quick", ""))])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    for _ in 0..5 {
        let params = json!({"agent": "one", "prompt": "Read it.\nThen say so.", "metadata": {"mine": 1}});
        let spawned = admin.call("agent.spawn", params).await?;
        assert_eq!(spawned["depth"], 0);
        let claimed = admin.event_about("task.claimed", &spawned["taskId"]).await;
        assert_eq!(claimed.payload["agentId"], "one", "{claimed:?}");
        let done = admin.event_about("task.completed", &spawned["taskId"]).await;
        // The program prints what it was given.
        let given = &done.payload["result"];
        assert_eq!((&given["title"], &given["description"]), (&json!("Read it."), &json!("Read it.\nThen say so.")));
        assert_eq!(given["agent"]["prompt"], "You are run.");
        assert_eq!(given["agent"]["permissions"]["allowed"], json!(["fs.read"]));
        assert_eq!(given["metadata"]["mine"], 1);
        assert_eq!(given["metadata"]["daemon.spawn"]["depth"], 0, "who spawned it is recorded: {given}");
    }
    Ok(())
}

#[tokio::test]
async fn a_type_stands_for_any_ready_agent_of_it() -> anyhow::Result<()> {
    let tester = run_by("quick", "type: tester\n");
    let folder = Folder::with(&[("one.md", &tester), ("other.md", &tester), ("no.md", &run_by("quick", ""))])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let mut seen = std::collections::BTreeSet::new();
    admin.call("agent.stop", json!({"agentId": "other"})).await?;
    for round in 0..6 {
        if round == 3 {
            admin.call("agent.register", json!({"agentId": "other"})).await?;
            admin.call("agent.stop", json!({"agentId": "one"})).await?;
        }
        let spawned = admin.call("agent.spawn", json!({"type": "tester", "prompt": "Try it."})).await?;
        let claimed = admin.event_about("task.claimed", &spawned["taskId"]).await;
        seen.insert(claimed.payload["agentId"].as_str().unwrap_or_default().to_owned());
        assert_eq!(seen.len(), 1 + usize::from(round >= 3), "{seen:?}");
    }
    assert!(!seen.contains("no"));
    admin.call("agent.stop", json!({"agentId": "other"})).await?;
    let refused =
        admin.call("agent.spawn", json!({"type": "tester", "prompt": "x"})).await.expect_err("nobody is ready");
    assert!(refused.code == Code::Conflict && refused.message.contains("disabled"), "{refused:?}");
    let refused =
        admin.call("agent.spawn", json!({"type": "planner", "prompt": "x"})).await.expect_err("there is none");
    assert!(refused.code == Code::Conflict && refused.message.contains("`planner`"), "{refused:?}");
    for params in [json!({"prompt": "x"}), json!({"agent": "one", "type": "tester", "prompt": "x"})] {
        let refused = admin.call("agent.spawn", params).await.expect_err("either, not both");
        assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidParams, Some("agent")));
    }
    Ok(())
}

#[tokio::test]
async fn what_nothing_here_can_run_is_refused_and_never_given_work() -> anyhow::Result<()> {
    let folder = Folder::with(&[("far.md", "---\nruntime: ruflo\n---\nHi.\n")])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    let refused =
        admin.call("agent.spawn", json!({"agent": "far", "prompt": "go"})).await.expect_err("nothing runs it");
    assert!(refused.code == Code::Conflict && refused.message.contains("`ruflo`"), "{refused:?}");
    let task = admin.call("task.create", json!({"title": "x", "requiredCapabilities": ["agent.far"]})).await?;
    let why = admin.call("task.explain", json!({"taskId": task["id"]})).await?;
    let far = why["candidates"].as_array().and_then(|all| all.iter().find(|one| one["agentId"] == "far")).cloned();
    assert_eq!(far.unwrap_or_default()["whyNot"]["reason"], "takes_none", "{why}");
    Ok(())
}

#[tokio::test]
async fn who_spawned_a_task_cannot_be_claimed_or_changed_by_a_client() -> anyhow::Result<()> {
    let folder = Folder::with(&[("one.md", &run_by("quick", ""))])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    let forged = json!({"daemon.spawn": {"by": "system:scheduler", "depth": 0}});
    let schedule =
        json!({"name": "n", "plan": {"at": "2099-01-01T00:00:00Z"}, "template": {"title": "x", "metadata": forged}});
    for (method, params) in [
        ("task.create", json!({"title": "x", "metadata": forged})),
        ("task.createMany", json!({"tasks": [{"title": "x", "metadata": forged}]})),
        ("agent.spawn", json!({"agent": "one", "prompt": "x", "metadata": forged})),
        ("session.create", json!({"sessionType": "process", "task": {"description": "x", "metadata": forged}})),
        ("schedule.create", schedule),
    ] {
        let refused = admin.call(method, params).await.expect_err("it is the daemon's to say");
        assert_eq!(refused.code, Code::InvalidParams, "{method}: {refused:?}");
    }
    let task = admin.call("agent.spawn", json!({"agent": "one", "prompt": "x"})).await?["taskId"].clone();
    let update = |metadata: Value| json!({"taskId": task, "metadata": metadata});
    assert!(admin.call("task.update", update(forged)).await.is_err(), "nobody changes it");
    let updated = admin.call("task.update", update(json!({"mine": 2}))).await?;
    assert_eq!((&updated["metadata"]["mine"], &updated["metadata"]["daemon.spawn"]["depth"]), (&json!(2), &json!(0)));
    Ok(())
}

#[tokio::test]
async fn a_stopped_agent_ends_its_sessions_and_works_again_once_registered() -> anyhow::Result<()> {
    let folder = Folder::with(&[("slow.md", &run_by("runner", "maxInstances: 2\n"))])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*"]).await;
    let task = admin.call("agent.spawn", json!({"agent": "slow", "prompt": "take your time"})).await?["taskId"].clone();
    let of_task = |name: &'static str| {
        let task = task.clone();
        move |event: &orchestrator_testkit::Event| event.name == name && event.payload["taskId"] == task
    };
    admin.events_until("its session", of_task("session.created")).await;
    let status = admin.call("agent.status", json!({"agentId": "slow"})).await?;
    assert_eq!((&status["tasks"], &status["runnable"]), (&json!([task]), &json!(true)), "{status}");
    assert_eq!(status["sessions"][0]["taskId"], task, "{status}");

    let stopped = admin.call("agent.stop", json!({"agentId": "slow", "reason": "enough"})).await?;
    assert_eq!(stopped["sessions"].as_array().map(Vec::len), Some(1), "{stopped}");
    let status = admin.call("agent.status", json!({"agentId": "slow"})).await?;
    assert_eq!((&status["agent"]["status"], &status["sessions"]), (&json!("disabled"), &json!([])), "{status}");
    assert_eq!(admin.call("task.get", json!({"taskId": task})).await?["status"], "pending");

    admin.call("agent.register", json!({"agentId": "slow"})).await?;
    std::fs::write(daemon.work_directory().join("go"), "")?;
    admin.event_about("task.completed", &task).await;
    Ok(())
}
