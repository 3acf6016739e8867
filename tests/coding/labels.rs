//! What the program has read holds for what it asks leave for.

use serde_json::json;

use crate::{Stage, history, session, worked};

const RULE: &str = "labels.untrusted-secret-outbound: ";

#[tokio::test]
async fn what_it_read_that_is_secret_keeps_it_from_telling_others() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "")?;
    for (labels, orders, tool) in [
        (json!({ "secretTools": ["claude.Grep"] }), "@tool Grep x\n@tool WebFetch y", Some("http.fetch")),
        (
            json!({ "secretTools": ["fs.search"] }),
            "@tool Grep x\n@tool mcp__git__push y",
            Some("claude.mcp__git__push"),
        ),
        (json!({ "secretTools": ["claude.Grep"] }), "@tool Grep x\n@tool Write y", None),
        (json!({}), "@tool Bash cat .env", Some("command.run")),
        (json!({ "secretPaths": [] }), "@tool Bash cat .env", None),
        (json!({}), "@tool Grep x\n@tool WebFetch y", None),
        (
            json!({ "secretTools": ["claude.Grep"], "untrustedSecretOutbound": "allow" }),
            "@tool Grep x\n@tool WebFetch y",
            None,
        ),
    ] {
        let daemon = stage.daemon(&["claude.*"])?.config(json!({ "security": { "labels": labels } })).start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*"]).await;
        let done = worked(&mut admin, "coder", orders).await?;
        let result = done.payload["result"].as_str().unwrap_or_default();
        match tool {
            Some(tool) => assert!(result.starts_with(&format!("{RULE}{tool} ")), "{labels} {orders}: {done:?}"),
            None => assert!(result.contains(" did "), "{labels} {orders}: {done:?}"),
        }
        let session = session(&mut admin, &done.payload["taskId"]).await?;
        let entries = history(&mut admin, &session).await?;
        let returned = entries.iter().find(|entry| entry["kind"] == "returned").cloned().unwrap_or_default();
        assert_eq!(returned["label"]["integrity"], "untrusted", "{returned}");
    }
    Ok(())
}
