use orchestrator_rpc::Code;
use serde_json::json;

use crate::{Stage, named, records, worked};

#[tokio::test]
async fn what_people_say_is_blocked_or_passes_and_hooks_add_to_it() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let script = "case \"$(cat)\" in *forbidden*) echo 'mind your words' >&2; exit 2;; *) echo 'it is Monday';; esac";
    let hooks = named("words", stage.script(&["UserPromptSubmit"], script));
    let daemon = stage.daemon(&[], hooks)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let spawn = json!({ "agent": "coder", "prompt": "a forbidden thing" });
    let refused = admin.call("agent.spawn", spawn).await.expect_err("it is blocked");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (Code::Forbidden, "blocked by the hook words: mind your words")
    );
    assert_eq!(records(&mut admin, "agent.spawn", "denied").await?.len(), 1);
    let done = worked(&mut admin, "A kind thing.").await?;
    assert_eq!(done.name, "task.completed");
    let task = admin.call("task.get", json!({ "taskId": done.payload["taskId"] })).await?;
    let said = task["description"].as_str().unwrap_or_default();
    assert!(said.contains("A kind thing.") && said.contains("[a hook of the operator says] it is Monday"), "{task}");
    Ok(())
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_blocked_by_the_guard_and_not_without_it() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(&[], json!({ "builtin": ["promptLength"], "promptCharsMax": 10 }))?.start().await?;
    let spawn = |prompt: &str| json!({ "agent": "coder", "prompt": prompt });
    let mut admin = daemon.admin().await;
    admin.call("agent.spawn", spawn("ten chars!")).await?;
    let refused = admin.call("agent.spawn", spawn("eleven char")).await.expect_err("it is too long");
    assert!(refused.message.contains("the hook promptLength"), "{refused:?}");
    let stage = Stage::new()?;
    let daemon = stage.daemon(&[], json!({}))?.start().await?;
    daemon.admin().await.call("agent.spawn", spawn("eleven char")).await?;
    Ok(())
}

#[tokio::test]
async fn a_task_is_begun_only_if_no_hook_is_against_it() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let script = "case \"$(cat)\" in *'\"task_subject\":\"Never\"'*) echo 'not this one' >&2; exit 2;; esac";
    let hooks = named("tasks", stage.script(&["PreTask"], script));
    let daemon = stage.daemon(&[], hooks)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let done = worked(&mut admin, "Always").await?;
    assert_eq!((done.name.as_str(), &done.payload["result"]), ("task.completed", &json!("done")), "{done:?}");
    let failed = worked(&mut admin, "Never").await?;
    assert_eq!(failed.name, "task.failed", "{failed:?}");
    assert!(failed.payload.to_string().contains("blocked by the hook tasks: not this one"), "{failed:?}");
    assert!(!records(&mut admin, "task.begin", "denied").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_conversation_is_made_shorter_unless_the_guard_is_against_it() -> anyhow::Result<()> {
    let guard = json!({ "builtin": ["compaction"], "compactionsMax": 0 });
    for (hooks, ends_as) in [(guard, "task.failed"), (json!({}), "task.completed")] {
        let stage = Stage::new()?;
        let daemon = stage.daemon(&[], hooks)?.config(json!({ "tasks": { "maxAttempts": 1 } }));
        let too_long = json!({ "times": 1, "fault": { "error": "context_window_exceeded" } });
        let rules = json!([too_long, { "say": [{ "text": "done" }] }]);
        std::fs::write(stage.path("script.json"), json!({ "rules": rules }).to_string())?;
        let daemon = daemon.start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*", "hook.*"]).await;
        let ended = worked(&mut admin, "Say much.").await?;
        assert_eq!(ended.name, ends_as, "{ended:?}");
        if ends_as == "task.failed" {
            assert!(ended.payload.to_string().contains("the hook compaction"), "{ended:?}");
        }
    }
    Ok(())
}
