//! A task from its beginning to its end, and agents that nothing runs.

use orchestrator_rpc::Code;
use serde_json::{Value, json};

use crate::{Stage, ended, history, session, spawn, until_said};

#[tokio::test]
async fn a_task_is_worked_on_and_told_of_while_it_is() -> anyhow::Result<()> {
    let front = "model: big\nmaxTurns: 7\nworkspaceSource: main\nworkspace: copy\ntools: [Read, Bash]";
    let stage = Stage::new()?.agent("coder", front)?;
    let daemon =
        stage.daemon(&["claude.Read", "claude.Edit", "command.run"])?.env("SECRET_OF_THE_DAEMON", "x").start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "stream.*", "session.*"]).await;
    let task = spawn(&mut admin, "coder", "@say hello there").await?;
    let events = ended(&mut admin, &task).await;
    let done = events.last().expect("the end");
    assert_eq!((done.name.as_str(), &done.payload["result"]), ("task.completed", &json!("hello there")), "{done:?}");
    let pieces = events.iter().filter(|event| event.name == "stream.chunk" && event.payload["chunkType"] == "text");
    let said: String = pieces.filter_map(|event| event.payload["content"].as_str()).collect();
    assert_eq!(said, "hello there");

    let working = session(&mut admin, &task).await?;
    admin.event_about("session.stopped", &working["id"]).await;
    let session = session(&mut admin, &task).await?;
    assert_eq!((&session["runtime"], &session["status"]), (&json!("claude-code"), &json!("completed")), "{session}");
    let entries = history(&mut admin, &session).await?;
    assert_eq!(entries[0]["kind"], "began");
    assert_eq!((&entries[0]["profile"]["model"], &entries[0]["profile"]["turnsMax"]), (&json!("big"), &json!(7)));

    let arguments = stage.noted("arguments")?;
    let after = |flag: &str| arguments.lines().skip_while(|line| *line != flag).nth(1).unwrap_or_default().to_owned();
    assert_eq!((after("--model"), after("--max-turns"), after("--permission-mode")).0, "big");
    assert_eq!((after("--max-turns"), after("--permission-mode")), ("7".into(), "default".into()));
    assert!(arguments.contains("You are one of many.\n\nYou write code."), "{arguments}");
    // Of what the operator allows, the file names `Read`; nobody allows `Bash`.
    let disallowed = after("--disallowedTools");
    let disallowed: Vec<&str> = disallowed.split(',').collect();
    for (tool, is_denied) in [("Read", false), ("Bash", true), ("Edit", true), ("WebSearch", true), ("Telepathy", true)]
    {
        assert_eq!(disallowed.contains(&tool), is_denied, "{tool}: {disallowed:?}");
    }
    let environment = stage.noted("environment")?;
    assert!(environment.contains("ORCHESTRATOR_WORKSPACE=") && !environment.contains("SECRET_OF_THE_DAEMON"));
    let directory = stage.noted("directory")?;
    assert!(environment.contains(&format!("ORCHESTRATOR_WORKSPACE={}", directory.trim())), "{environment}");
    assert_ne!(directory.trim(), stage.path("source").display().to_string());
    Ok(())
}

#[tokio::test]
async fn what_is_said_to_it_reaches_it() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "")?;
    let daemon = stage.daemon(&[])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "stream.*"]).await;
    let task = spawn(&mut admin, "coder", "What the team asks:\n@say ready\n@wait").await?;
    until_said(&mut admin, "ready").await;
    let session = session(&mut admin, &task).await?;
    admin.call("prompt.submit", json!({ "sessionId": session["id"], "text": "more tests" })).await?;
    let done = ended(&mut admin, &task).await.pop().expect("the end");
    assert_eq!(done.payload["result"], "you said more tests", "{done:?}");
    Ok(())
}

#[tokio::test]
async fn an_agent_whose_command_line_is_not_configured_is_refused_and_told_why() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "")?;
    let daemon = stage.unconfigured(&["*"]).start().await?;
    let mut admin = daemon.admin().await;
    let spawned = json!({ "agent": "coder", "prompt": "@say hello" });
    let refused = admin.call("agent.spawn", spawned).await.expect_err("nothing runs it");
    assert_eq!(refused.code, Code::Conflict);
    assert!(
        refused.message.contains("`claude-code`") && refused.message.contains("set codingAgents.claude-code.command")
    );
    let status = admin.call("agent.status", json!({ "agentId": "coder" })).await?;
    assert_eq!((&status["runnable"], &status["problem"]), (&json!(false), &Value::String(refused.message)), "{status}");
    let set = json!({ "values": { "codingAgents.claude-code.command": ["sh"] } });
    let refused = admin.call("config.set", set).await.expect_err("in the file only");
    assert!(refused.message.contains("codingAgents.claude-code.command"), "{refused:?}");
    Ok(())
}
