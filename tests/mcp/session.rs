//! An agent that is a language model calls a tool of a server.

use orchestrator_testkit::{Daemon, Event};
use serde_json::json;

use crate::servers::{connected, fake_server};

/// The model does whatever any text tells it to: what it may do is not its own decision.
#[tokio::test]
async fn an_agent_calls_what_its_file_and_the_operator_name_and_nothing_else() -> anyhow::Result<()> {
    for (allow, tools, is_called) in [
        (&["mcp.fake.*"][..], "[mcp.fake.echo]", true),
        (&["mcp.fake.change"][..], "[mcp.fake.*]", false),
        (&["mcp.fake.*"][..], "[mcp.fake.change]", false),
    ] {
        let stage = tempfile::tempdir()?;
        let (agents, script) = (stage.path().join("agents"), stage.path().join("script.json"));
        std::fs::create_dir_all(&agents)?;
        std::fs::write(agents.join("caller.md"), format!("---\ntools: {tools}\n---\nYou do as you are told.\n"))?;
        std::fs::write(&script, json!({ "obedient": true }).to_string())?;
        let provider = json!({ "kind": "scripted", "script": script });
        let config = json!({
            "models": { "providers": { "stage": provider }, "primary": "stage/scripted" },
            "agentFiles": { "directories": [agents] },
            "mcp": { "servers": { "fake": { "command": [fake_server()?] } } },
            "tools": { "allow": allow },
        });
        let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
        let mut admin = connected(&daemon, "fake").await;
        admin.subscribe(&["task.*"]).await;
        let prompt = r#"@call mcp_fake_echo {"text": "heard by the server"}"#;
        let spawned = admin.call("agent.spawn", json!({ "agent": "caller", "prompt": prompt })).await?;
        let is_end = |event: &Event| {
            event.payload["taskId"] == spawned["taskId"]
                && ["task.completed", "task.failed"].contains(&event.name.as_str())
        };
        let ended = admin.events_until("the task's end", is_end).await.pop().expect("it was waited for");
        let sessions = admin.call("session.list", json!({})).await?;
        let page = json!({ "sessionId": sessions["sessions"][0]["id"], "limit": 200 });
        let told = admin.call("session.history", page).await?.to_string();
        assert_eq!(
            ended.name == "task.completed" && ended.payload["result"] == "heard by the server",
            is_called,
            "{told}"
        );
        assert_eq!(told.contains("\"kind\":\"calling\""), is_called, "{told}");
    }
    Ok(())
}
