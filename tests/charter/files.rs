//! Files that change, and what the operations and the command line tell of them.

use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Event};
use serde_json::{Value, json};

use crate::{Stage, worked};

const REMOVE: &str = "@call fs_remove {\"path\": \"notes.txt\"}";
const VIRTUAL_PRINCIPAL: &str = include_str!("../../examples/charters/virtual-principal.yaml");

#[tokio::test]
async fn a_charter_that_changes_is_in_force_and_one_that_breaks_disables_its_agents() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "charter: some")?.agent("other", "name: Other")?;
    let stage = stage.charter("some", "name: Some")?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "charter.*", "agent.definitions"]).await;
    worked(&mut admin, "coder", REMOVE).await?;
    assert!(!stage.source().join("notes.txt").exists());

    std::fs::write(stage.source().join("notes.txt"), "again")?;
    std::fs::write(stage.charters().join("some.yaml"), "safetyHeuristics: { alwaysReject: [fs.remove] }")?;
    let told = admin.events_until("the reload", |event: &Event| event.name == "charter.definitions").await.pop();
    assert_eq!(told.expect("it was told").payload["changed"], json!(["some"]));
    worked(&mut admin, "coder", REMOVE).await?;
    assert!(stage.source().join("notes.txt").exists());

    std::fs::write(stage.charters().join("some.yaml"), "safetyHeuristics: { alwaysReject: [fs.remvoe }")?;
    let told = admin.events_until("the agents", |event: &Event| event.name == "agent.definitions").await;
    let broken = told.iter().find(|event| event.name == "charter.definitions").expect("it was told");
    assert_eq!(broken.payload["removed"], json!(["some"]));
    let refused = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "x" })).await.expect_err("disabled");
    assert!(refused.code == Code::Conflict && refused.message.contains("some.yaml:1:"), "{refused:?}");
    let status = admin.call("agent.status", json!({ "agentId": "coder" })).await?;
    assert_eq!((&status["runnable"], &status["agent"]["status"]), (&json!(false), &json!("invalid")));
    let got = admin.call("charter.get", json!({ "charterId": "some" })).await.expect_err("broken");
    assert_eq!(got.code, Code::Conflict);
    worked(&mut admin, "other", "Nothing.").await?;

    std::fs::write(stage.charters().join("some.yaml"), "name: Some")?;
    admin.call("agent.reload", json!({})).await?;
    worked(&mut admin, "coder", REMOVE).await?;
    assert!(!stage.source().join("notes.txt").exists());
    Ok(())
}

#[tokio::test]
async fn an_agent_whose_charter_no_file_defines_gets_nothing() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "charter: nobody")?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let refused = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "x" })).await.expect_err("disabled");
    assert!(refused.message.contains("no file defines the charter `nobody`"), "{refused:?}");
    Ok(())
}

async fn principal() -> anyhow::Result<(Stage, Daemon)> {
    let stage = Stage::new()?.charter("virtual-principal", VIRTUAL_PRINCIPAL)?;
    let stage = stage.charter(
        "child",
        "extends: virtual-principal\noperationalSettings: {maxRetries: 2}\nhardConstraints: [Be kind., fs.remove]\n",
    )?;
    let stage = stage.charter("wrong", "colour: red")?;
    let daemon = stage.daemon()?.start().await?;
    Ok((stage, daemon))
}

#[tokio::test]
async fn charters_are_shown_with_what_is_only_kept() -> anyhow::Result<()> {
    let (_stage, daemon) = principal().await?;
    let mut admin = daemon.admin().await;
    let list = admin.call("charter.list", json!({})).await?;
    let status = |at: usize| (list["items"][at]["id"].clone(), list["items"][at]["status"].clone());
    assert_eq!(status(0), (json!("child"), json!("ready")));
    assert_eq!(status(2), (json!("wrong"), json!("broken")));
    assert_eq!(list["items"][2]["error"]["line"], 1);
    let got = admin.call("charter.get", json!({ "charterId": "child" })).await?;
    assert_eq!(got["notEnforced"], json!([]));
    let constraints: Vec<&Value> = got["hardConstraints"].as_array().into_iter().flatten().collect();
    assert_eq!((&constraints[0]["enforced"], &constraints[1]["enforced"]), (&json!(false), &json!(true)));
    assert!(got["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")));

    let other = daemon.organisation("other").await;
    let mut foreign = other.socket(&daemon).await;
    assert_eq!(foreign.call("charter.list", json!({})).await?["items"], json!([]));
    for id in ["child", "wrong", "nobody"] {
        let refused = foreign.call("charter.get", json!({ "charterId": id })).await.expect_err("not theirs");
        assert_eq!((refused.code, refused.message.to_string()), (Code::NotFound, format!("no charter `{id}`")));
    }
    Ok(())
}

#[tokio::test]
async fn it_is_explained_what_would_happen_by_which_line() -> anyhow::Result<()> {
    let (_stage, daemon) = principal().await?;
    let mut admin = daemon.admin().await;
    for (action, arguments, verdict, rule) in [
        ("task.create", json!({}), "allow", json!("internal_team_communication")),
        ("http.request", json!({ "url": "https://api.example/" }), "confirm", json!("external_api_calls")),
        ("http.request", json!({ "url": "http://localhost/" }), "abstain", Value::Null),
        ("command.run", json!({ "argv": ["reboot"] }), "deny", json!("system_shutdown")),
        ("command.run", json!({ "argv": ["ls"] }), "abstain", Value::Null),
        ("fs.write", json!({ "path": "a" }), "abstain", Value::Null),
    ] {
        let params = json!({ "charter": "virtual-principal", "action": action, "arguments": arguments });
        let said = admin.call("charter.explain", params).await?;
        assert_eq!((&said["verdict"], &said["rule"]["text"]), (&json!(verdict), &rule), "{action}: {said}");
    }
    for (untrusted, secret, meant) in
        [(true, true, json!("yes")), (true, false, Value::Null), (false, true, Value::Null)]
    {
        let params = json!({ "charter": "virtual-principal", "action": "http.request", "untrusted": untrusted, "secret": secret });
        let said = admin.call("charter.explain", params).await?;
        assert_eq!(said["meanings"]["secret_exfiltration"], meant, "{said}");
    }
    let secret = json!({ "url": "http://localhost/", "body": daemon.admin_token() });
    let params = json!({ "charter": "child", "action": "http.request", "arguments": secret });
    let said = admin.call("charter.explain", params).await?;
    assert!(!said.to_string().contains(daemon.admin_token()), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_document_is_validated_without_being_in_force() -> anyhow::Result<()> {
    let (_stage, daemon) = principal().await?;
    let mut admin = daemon.admin().await;
    let good = json!({ "document": "extends: virtual-principal\nresourceLimits: { maxSessions: 90 }" });
    let answer = admin.call("charter.validate", good).await?;
    assert_eq!((&answer["valid"], &answer["charter"]["resourceLimits"]["maxSessions"]), (&json!(true), &json!(50)));
    assert!(answer["notes"].to_string().contains("a parent allows 50"), "{answer}");
    let answer = admin.call("charter.validate", json!({ "document": "name: x\ntier: 9" })).await?;
    assert_eq!(
        (&answer["valid"], &answer["errors"][0]["line"], &answer["errors"][0]["column"]),
        (&json!(false), &json!(2), &json!(7))
    );
    assert_eq!(admin.call("charter.list", json!({})).await?["items"].as_array().map(Vec::len), Some(3));
    Ok(())
}
