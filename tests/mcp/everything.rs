//! The npm package `@modelcontextprotocol/server-everything`. `cargo xtask setup` installs it.

use std::path::PathBuf;

use anyhow::Context as _;
use orchestrator_testkit::{Daemon, program};
use serde_json::json;

use crate::servers::{call, connected};

/// In the folder of the build, where the daemon is too; a build that measures coverage lies deeper.
fn script() -> anyhow::Result<PathBuf> {
    const SCRIPT: &str = "everything/node_modules/@modelcontextprotocol/server-everything/dist/index.js";
    let daemon = program("orchestrator-daemon")?;
    let script = daemon.ancestors().map(|folder| folder.join(SCRIPT)).find(|script| script.is_file());
    script.with_context(|| format!("{SCRIPT} is missing: run `cargo xtask setup`"))
}

#[tokio::test]
async fn tools_of_a_server_that_is_not_ours_are_listed_and_called() -> anyhow::Result<()> {
    let server = json!({
        "command": ["node", script()?, "stdio"],
        "environment": { "inherit": ["PATH"], "set": { "ONLY_FOR_IT": "a-value" } },
        "tools": ["get-*", "echo", "trigger-long-running-operation"],
    });
    let config = json!({ "mcp": { "servers": { "everything": server } }, "tools": { "allow": ["mcp.everything.*"] } });
    let daemon = Daemon::builder().env("NOT_FOR_IT", "another").config(config).start().await?;
    let mut admin = connected(&daemon, "everything").await;
    let listed = admin.call("mcp.list", json!({})).await?;
    let tools = listed["servers"][0]["tools"].as_array().expect("a list");
    let state = |name: &str| tools.iter().find(|tool| tool["tool"] == name).map(|tool| tool["state"].clone());
    assert_eq!((state("get-sum"), state("gzip-file-as-resource")), (Some(json!("pinned")), Some(json!("excluded"))));

    let sum = call(&mut admin, "mcp.everything.get-sum", json!({ "a": 2, "b": 40 })).await?;
    assert!(sum["content"][0]["text"].as_str().is_some_and(|text| text.contains("42")), "{sum}");
    let weather = call(&mut admin, "mcp.everything.get-structured-content", json!({ "location": "Chicago" })).await?;
    assert!(weather["structured"]["temperature"].is_number(), "{weather}");
    let image = call(&mut admin, "mcp.everything.get-tiny-image", json!({})).await?;
    let parts = image["content"].as_array().expect("parts");
    assert!(parts.iter().any(|part| part["source"]["mediaType"] == "image/png"), "{image}");
    let variables = call(&mut admin, "mcp.everything.get-env", json!({})).await?.to_string();
    assert!(variables.contains("ONLY_FOR_IT") && !variables.contains("NOT_FOR_IT"), "{variables}");
    let long = json!({ "duration": 0.1, "steps": 2 });
    let long = call(&mut admin, "mcp.everything.trigger-long-running-operation", long).await?;
    assert!(long["content"][0]["text"].as_str().is_some_and(|text| text.contains("completed")), "{long}");
    let wrong = json!({ "tool": "mcp.everything.get-sum", "arguments": { "a": "two" } });
    assert!(admin.call("tool.call", wrong).await.is_err(), "its schema is kept to");
    Ok(())
}
