//! What files define, what is said about those that are wrong, and how changes of them are noticed.

use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Event, Socket};
use serde_json::{Value, json};

use crate::{Folder, daemon, ids, run_by};

const REVIEWER: &str = "---\nname: The Reviewer\ndescription: reads what others wrote\ntype: reviewer\ntier: 2\ngroups: web\n\
    tools: Read, Grep, fs.list\ncapabilities: [rust]\nmodel: small\nmaxTurns: 7\n---\nYou review.\n";

#[tokio::test]
async fn agents_of_a_directory_are_listed_and_shown() -> anyhow::Result<()> {
    let child = "---\nextends: reviewer\ntools: fs.*\npermissionMode: plan\nmodel: large\n---\nLook twice.\n";
    let folder = Folder::with(&[("reviewer.md", REVIEWER), ("deep/strict.md", child)])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    assert_eq!(ids(&admin.call("agent.list", json!({})).await?), ["quick", "reviewer", "runner", "strict"]);
    let listed = async |socket: &mut Socket, filter: Value| {
        let page = socket.call("agent.list", filter).await.expect("a list");
        ids(&page).join(" ")
    };
    assert_eq!(listed(&mut admin, json!({"kind": "defined"})).await, "reviewer strict");
    assert_eq!(listed(&mut admin, json!({"type": "reviewer", "tier": 2, "group": "web"})).await, "reviewer strict");
    assert_eq!(listed(&mut admin, json!({"tier": 0})).await, "");
    assert_eq!(listed(&mut admin, json!({"capability": "rust", "limit": 1})).await, "reviewer");

    let strict = admin.call("agent.get", json!({"agentId": "strict"})).await?;
    assert_eq!((&strict["type"], &strict["runtime"]), (&json!("reviewer"), &json!("llm")));
    assert_eq!(strict["source"], folder.shown("deep/strict.md"));
    let definition = &strict["definition"];
    assert_eq!(definition["prompt"], "You review.\n\nLook twice.");
    assert_eq!((&definition["model"], &definition["limits"]["maxTurns"]), (&json!("large"), &json!(7)));
    assert_eq!(
        definition["permissions"],
        json!({"allowed": ["fs.list", "fs.read", "fs.search"], "denied": [], "onlyReading": true}),
        "no more than its parent, and nothing that writes"
    );
    Ok(())
}

#[tokio::test]
async fn a_wrong_file_takes_its_own_agent_away_and_is_told_everywhere() -> anyhow::Result<()> {
    let wrong = "---\ndescription: x\ntols: fs.read\n---\nHi.\n";
    let folder =
        Folder::with(&[("bad.md", wrong), ("good.md", &run_by("quick", "")), ("runner.md", &run_by("quick", ""))])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    let place = format!("{}:3:1: unknown field `tols`", folder.shown("bad.md"));
    let listed = admin.call("agent.list", json!({"status": "invalid"})).await?;
    assert_eq!(ids(&listed), ["bad"], "what the configuration has too is there as that: {listed}");
    let told = listed["items"][0]["error"].as_str().unwrap_or_default();
    assert!(told.starts_with(&place), "{told}");
    let status = admin.call("agent.status", json!({"agentId": "bad"})).await?;
    assert_eq!(status["runnable"], false, "{status}");
    let refused =
        admin.call("agent.spawn", json!({"agent": "bad", "prompt": "go"})).await.expect_err("it is not there");
    assert!(refused.code == Code::Conflict && refused.message.contains(&place), "{refused:?}");

    admin.subscribe(&["task.*"]).await;
    let spawned = admin.call("agent.spawn", json!({"agent": "good", "prompt": "go"})).await?;
    admin.event_about("task.completed", &spawned["taskId"]).await;

    let report = admin.call("daemon.doctor", json!({})).await?;
    let findings = report["findings"].as_array().expect("findings");
    let of_files: Vec<&Value> = findings.iter().filter(|finding| finding["check"] == "agent files").collect();
    assert!(of_files.iter().all(|finding| finding["severity"] == "failure") && report["healthy"] == false, "{report}");
    let found = format!("{of_files:?}");
    assert!(found.contains(&place) && found.contains("the configuration has an agent `runner` too"), "{found}");
    assert!(daemon.log().contains(&place), "the log says it");
    Ok(())
}

#[tokio::test]
async fn check_config_fails_where_a_file_is_wrong_and_not_where_all_are_right() -> anyhow::Result<()> {
    let folder = Folder::with(&[("a.md", "---\ntier: 7\n---\nHi.\n"), ("noted.md", "---\nhooks: {}\n---\nHi.\n")])?;
    let ended = daemon(&folder).arg("--check-config").ended("checking").await?;
    assert!(!ended.status.success());
    let place = format!("error: {}:2:7: tier: expected 0 to 3, got 7", folder.shown("a.md"));
    assert!(ended.output.contains(&place), "{}", ended.output);
    folder.write("a.md", "---\ntier: 3\n---\nHi.\n")?;
    let ended = daemon(&folder).arg("--check-config").ended("checking").await?;
    assert!(ended.status.success(), "{}", ended.output);
    assert!(ended.output.contains("noted.md:2:8: hooks: not built"), "what does nothing is told: {}", ended.output);
    Ok(())
}

/// The event after a change of the files.
async fn change(socket: &mut Socket) -> Event {
    let mut events = socket.events_until("the files to be read", |event| event.name == "agent.definitions").await;
    events.pop().expect("the last is the one")
}

#[tokio::test]
async fn changes_of_files_are_noticed_while_it_runs() -> anyhow::Result<()> {
    let folder = Folder::with(&[("a.md", REVIEWER)])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["agent.definitions"]).await;
    folder.write("later/b.md", REVIEWER)?;
    assert_eq!(change(&mut admin).await.payload["added"], json!(["b"]));
    folder.write("a.md", &REVIEWER.replace("tier: 2", "tier: 3"))?;
    assert_eq!(change(&mut admin).await.payload["changed"], json!(["a"]));
    assert_eq!(admin.call("agent.get", json!({"agentId": "a"})).await?["tier"], 3);
    folder.write("a.md", &REVIEWER.replace("tier: 2", "tier: x"))?;
    let event = change(&mut admin).await;
    assert_eq!(event.payload["removed"], json!(["a"]));
    let error = event.payload["errors"][0].as_str().unwrap_or_default();
    assert!(error.starts_with(&format!("{}:5:7: ", folder.shown("a.md"))), "{error}");
    assert_eq!(admin.call("agent.get", json!({"agentId": "a"})).await?["status"], "invalid");
    folder.write("a.md", REVIEWER)?;
    assert_eq!(change(&mut admin).await.payload["added"], json!(["a"]));
    folder.remove("later/b.md")?;
    assert_eq!(change(&mut admin).await.payload["removed"], json!(["b"]));
    assert_eq!(ids(&admin.call("agent.list", json!({"kind": "defined"})).await?), ["a"]);
    Ok(())
}

#[tokio::test]
async fn reading_again_is_the_operators_and_tells_what_it_did() -> anyhow::Result<()> {
    let folder = Folder::with(&[("a.md", REVIEWER)])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    let nothing = admin.call("agent.reload", json!({})).await?;
    assert_eq!(nothing, json!({"defined": 1, "added": [], "changed": [], "removed": [], "errors": [], "notes": []}));
    let mut theirs = daemon.organisation("other").await.socket(&daemon).await;
    let refused = theirs.call("agent.reload", json!({})).await.expect_err("not theirs");
    assert_eq!(refused.code, Code::Forbidden);
    Ok(())
}

#[tokio::test]
async fn where_files_are_looked_for_cannot_be_set_at_run_time() -> anyhow::Result<()> {
    let folder = Folder::with(&[("a.md", REVIEWER)])?;
    let daemon = daemon(&folder).start().await?;
    let mut admin = daemon.admin().await;
    let elsewhere = json!({"values": {"agentFiles": {"directories": ["/tmp"]}}});
    let refused = admin.call("config.set", elsewhere).await.expect_err("in the file only");
    assert!(refused.message.contains("configuration file"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn to_another_organisation_they_are_unknown() -> anyhow::Result<()> {
    let daemon_of = |folder: &Folder| daemon(folder);
    let folder = Folder::with(&[("mine.md", &run_by("quick", "")), ("bad.md", "no")])?;
    let daemon: Daemon = daemon_of(&folder).start().await?;
    let mut theirs = daemon.organisation("other").await.socket(&daemon).await;
    assert_eq!(theirs.call("agent.list", json!({})).await?["items"], json!([]));
    for (method, more) in [
        ("agent.get", json!({})),
        ("agent.status", json!({})),
        ("agent.stop", json!({})),
        ("agent.unregister", json!({})),
    ] {
        let ask = async |socket: &mut Socket, id: &str| {
            let mut params = more.clone();
            params["agentId"] = json!(id);
            let refused = socket.call(method, params).await.expect_err("it is not theirs");
            (refused.code, refused.message.replace(id, "NAME"))
        };
        let unknown = ask(&mut theirs, "unknown").await;
        assert_eq!(unknown.0, Code::NotFound);
        assert_eq!(ask(&mut theirs, "mine").await, unknown, "{method}");
        assert_eq!(ask(&mut theirs, "bad").await, unknown, "{method}");
    }
    let spawn = |id: &str| json!({"agent": id, "prompt": "go"});
    let unknown = theirs.call("agent.spawn", spawn("unknown")).await.expect_err("unknown");
    let mine = theirs.call("agent.spawn", spawn("mine")).await.expect_err("not theirs");
    assert_eq!((mine.code, mine.message.replace("mine", "unknown")), (unknown.code, unknown.message));
    Ok(())
}
