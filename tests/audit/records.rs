use orchestrator_rpc::Code;
use serde_json::{Value, json};

use crate::{Stage, records, worked};

#[tokio::test]
async fn each_call_of_a_tool_leaves_one_record_whether_it_is_made_or_not() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let secret = "sk-ant-api03-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-aaaaaaaaAA";
    let calls = [
        ("fs.write", json!({"path": "a.txt", "content": secret})),
        ("fs.remove", json!({"path": "a.txt"})),
        ("command.run", json!({"command": ["true"]})),
        ("no.such", json!({"x": 1})),
    ];
    let daemon = stage.daemon(&calls, &["fs.write", "command.*"])?.start().await?;
    let mut admin = daemon.admin().await;
    let task = worked(&mut admin).await?;
    let mut found = records(&mut admin, json!({"taskId": task})).await?;
    found.reverse();
    let told: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|record| {
            let text = |field: &str| record["entry"][field].as_str().unwrap_or_default();
            (text("action"), text("decision"), text("reason"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("fs.write", "allowed", "tools.allow has fs.write"),
            ("fs.remove", "denied", "fs.remove is not in tools.allow"),
            ("command.run", "denied", "command.run is not among the tools of this agent, or of who spawned it"),
            ("no.such", "denied", "there is no tool no.such"),
        ]
    );
    for record in &found {
        let entry = &record["entry"];
        assert!(entry["session"].is_string() && entry["actor"] == "agent:coder", "{record}");
        assert!(entry["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{record}");
    }
    let written: Value = serde_json::from_str(found[0]["entry"]["arguments"].as_str().unwrap_or_default())?;
    assert_eq!(written["path"], "a.txt");
    let files = std::fs::read_to_string(daemon.data_directory().join("audit/audit-000001.jsonl"))?;
    assert!(!files.contains(secret) && files.contains("a.txt"), "no secret is written down");

    let denied = records(&mut admin, json!({"decision": "denied", "action": "fs.remove"})).await?;
    assert_eq!(denied.len(), 1);
    let report = admin.call("audit.report", json!({})).await?;
    assert!(report["denied"].as_u64() >= Some(3) && report["allowed"].as_u64() >= Some(1), "{report}");
    Ok(())
}

#[tokio::test]
async fn what_administrators_do_and_what_others_are_refused_is_written_down() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(&[], &[])?.start().await?;
    let mut admin = daemon.admin().await;
    let issue = json!({"kind": "apiKey", "subject": "reader", "scopes": ["daemon.read"]});
    let issued = admin.call("auth.token.issue", issue).await?;
    let token = issued["token"].as_str().unwrap_or_default().to_owned();
    let mut reader = daemon.socket(&token).await;
    let refused = reader.call("config.reload", json!({})).await.expect_err("not for readers");
    assert_eq!(refused.code, Code::Forbidden);
    reader.call("task.list", json!({})).await?;
    let refused = admin.call("tool.call", json!({"tool": "fs.read"})).await.expect_err("tools.allow is empty");
    assert_eq!(refused.code, Code::Forbidden);

    let mut found = records(&mut admin, json!({})).await?;
    found.reverse();
    let told: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|record| {
            let text = |field: &str| record["entry"][field].as_str().unwrap_or_default();
            (text("actor"), text("action"), text("decision"))
        })
        .collect();
    let admin_is = told[0].0;
    assert_eq!(
        told,
        [
            (admin_is, "auth.token.issue", "allowed"),
            ("user:reader", "config.reload", "denied"),
            (admin_is, "fs.read", "denied"),
        ],
        "reading leaves no record, and each refusal one"
    );
    Ok(())
}

#[tokio::test]
async fn an_organisation_sees_its_own_records_only_and_the_log_is_the_operators() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(&[], &[])?.start().await?;
    let mut admin = daemon.admin().await;
    let other = admin.call("org.create", json!({"name": "other"})).await?;
    let issue = json!({"kind": "apiKey", "subject": "theirs", "scopes": ["daemon.admin"], "orgId": other["id"]});
    let token = admin.call("auth.token.issue", issue).await?["token"].as_str().unwrap_or_default().to_owned();
    let mut foreign = daemon.socket(&token).await;
    assert!(records(&mut foreign, json!({})).await?.is_empty());
    for operation in ["audit.verify", "audit.export"] {
        let refused = foreign.call(operation, json!({})).await.expect_err("the operator's");
        assert_eq!(refused.code, Code::Forbidden, "{operation}");
    }
    assert_eq!(records(&mut foreign, json!({})).await?.len(), 2, "its own refusals");
    Ok(())
}

#[tokio::test]
async fn of_long_arguments_a_record_shows_as_much_as_is_configured_and_the_digest_of_all() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let config = json!({"audit": {"argumentsBytesMax": 40}, "tools": {"workspaces": {"try": stage.source()}}});
    let daemon = stage.daemon(&[], &["fs.*"])?.config(config).start().await?;
    let mut admin = daemon.admin().await;
    for end in ["a", "b"] {
        let content = format!("{}{end}", "x".repeat(5_000));
        let arguments = json!({"path": "long.txt", "content": content});
        admin.call("tool.call", json!({"tool": "fs.write", "workspace": "try", "arguments": arguments})).await?;
    }
    let found = records(&mut admin, json!({"action": "fs.write"})).await?;
    let shown: Vec<&str> = found.iter().filter_map(|record| record["entry"]["arguments"].as_str()).collect();
    assert!(shown.iter().all(|text| text.len() < 80 && text.ends_with(" bytes more")), "{shown:?}");
    assert_eq!(shown[0], shown[1]);
    assert_ne!(found[0]["entry"]["digest"], found[1]["entry"]["digest"], "what is not shown counts all the same");
    Ok(())
}
