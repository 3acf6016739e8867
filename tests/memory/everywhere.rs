//! What is erased is erased in everything that the daemon holds.

use orchestrator_testkit::{Backend, Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::erasing::{NAME, not_in_tables, nowhere};
use crate::sessions::remembered;
use crate::{BACKENDS, cli};

const WORDS: [&str; 2] = ["ermintrude", "quisling"];

/// An obedient model and an agent whose writing has to be confirmed.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        let at = |name: &str| stage.0.path().join(name);
        for directory in ["source", "agents"] {
            std::fs::create_dir(at(directory))?;
        }
        let agent = "---\nworkspaceSource: main\nworkspace: shared\n---\nYou do as you are told.\n";
        std::fs::write(at("agents/coder.md"), agent)?;
        std::fs::write(at("script.json"), json!({ "obedient": true, "rules": [] }).to_string())?;
        Ok(stage)
    }

    fn daemon(&self, backend: Backend) -> Builder {
        let at = |name: &str| self.0.path().join(name);
        Daemon::builder().backend(backend).without_rate_limits().config(json!({
            "models": {
                "providers": { "stage": { "kind": "scripted", "script": at("script.json") } },
                "primary": "stage/scripted",
            },
            "agentFiles": { "directories": [at("agents")] },
            "workspaces": { "sources": { "main": at("source") } },
            "tools": { "allow": ["*"], "confirm": ["fs.write"] },
            // A prompt is all that the model obeys.
            "memory": { "recallTokens": 0 },
            "tasks": { "sweepMs": 20 },
        }))
    }
}

/// A socket of its own for somebody, and the id of their credential.
async fn somebody(daemon: &Daemon, subject: &str, more: Value) -> anyhow::Result<(Socket, Value)> {
    let mut params = json!({ "kind": "apiKey", "subject": subject, "name": format!("key of {subject}"),
        "scopes": ["daemon.read", "daemon.write", "daemon.approve"] });
    if let (Value::Object(all), Value::Object(more)) = (&mut params, more) {
        all.extend(more);
    }
    let issued = daemon.admin_http().call("auth.token.issue", params).await?;
    Ok((daemon.socket(issued["token"].as_str().unwrap_or_default()).await, issued["tokenId"].clone()))
}

/// Tasks that say her name in every way a task can; that of the first.
async fn tasks_of(socket: &mut Socket) -> anyhow::Result<Value> {
    let task = socket
        .call(
            "task.create",
            json!({
                "title": format!("Call {NAME}"), "description": "mail to ermintrude_quisling@example.org",
                "tags": ["ermintrude-quisling"], "metadata": { NAME: { "who": NAME } },
                "concurrencyKey": NAME, "idempotencyKey": format!("{NAME} 1"), "requiredCapabilities": ["nobody"],
            }),
        )
        .await?;
    socket.call("task.update", json!({ "taskId": task["id"], "title": format!("Ring {NAME}") })).await?;
    socket.call("task.cancel", json!({ "taskId": task["id"], "reason": format!("{NAME} is away") })).await?;
    let deleted = json!({ "title": NAME, "requiredCapabilities": ["nobody"] });
    let deleted = socket.call("task.create", deleted).await?;
    socket.call("task.delete", json!({ "taskId": deleted["id"] })).await?;
    Ok(task["id"].clone())
}

/// Gives the agent a task that a person has to confirm a part of: the task, and what waits.
async fn waits(socket: &mut Socket, admin: &mut Socket, name: &str) -> anyhow::Result<(Value, Value)> {
    let arguments = json!({ "path": "letter.txt", "content": format!("Dear {name}") });
    let params = json!({ "agent": "coder", "prompt": format!("@call fs_write {arguments}") });
    let task = socket.call("agent.spawn", params).await?["taskId"].clone();
    let is_waiting = |event: &Event| event.name == "session.waiting" && event.payload["taskId"] == task;
    admin.events_until("the session waits", is_waiting).await;
    let page = admin.call("approval.list", json!({ "status": "pending" })).await?;
    let found = page["items"].as_array().into_iter().flatten().find(|one| one["taskId"] == task).cloned();
    Ok((task.clone(), found.ok_or_else(|| anyhow::anyhow!("nothing waits: {page}"))?))
}

/// Says yes, and waits until the session is over and remembered.
async fn confirmed(socket: &mut Socket, admin: &mut Socket, waiting: &Value, note: &str) -> anyhow::Result<()> {
    let params = json!({ "approvalId": waiting["id"], "digest": waiting["digest"], "note": note });
    socket.call("tool.approve", params).await?;
    let is_end = |event: &Event| {
        ["task.completed", "task.failed"].contains(&event.name.as_str()) && event.payload["taskId"] == waiting["taskId"]
    };
    let end = admin.events_until("the task's end", is_end).await.pop().expect("it was waited for");
    assert_eq!(end.name, "task.completed", "{:?}", end.payload);
    remembered(admin, &waiting["sessionId"]).await?;
    Ok(())
}

async fn history(socket: &mut Socket, session: &Value) -> anyhow::Result<Vec<Value>> {
    let page = socket.call("session.history", json!({ "sessionId": session, "limit": 200 })).await?;
    Ok(page["entries"].as_array().cloned().unwrap_or_default())
}

fn of(receipt: &Value, place: &str, what: &str) -> u64 {
    receipt["elsewhere"][place][what].as_u64().unwrap_or_else(|| panic!("{place}.{what} in {receipt}"))
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_left_in_anything_the_daemon_holds() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let stage = Stage::new()?;
        let daemon = stage.daemon(backend).start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*", "session.*", "memory.*"]).await;
        let (mut her, key) = somebody(&daemon, "ermintrude.quisling", json!({})).await?;
        let (mut bob, _) = somebody(&daemon, "bob", json!({})).await?;
        her.subscribe(&["task.*"]).await;
        let cancelled = tasks_of(&mut her).await?;
        let (task, waiting) = waits(&mut her, &mut admin, NAME).await?;
        let session = waiting["sessionId"].clone();
        let hers =
            json!({ "sessionId": session, "text": format!("It is for {NAME}"), "idempotencyKey": format!("{NAME} 2") });
        her.call("prompt.submit", hers).await?;
        let graces = "Grace Hopper wants coffee";
        bob.call("prompt.submit", json!({ "sessionId": session, "text": graces })).await?;

        let early = admin.call("memory.erase", json!({ "person": NAME })).await?;
        for place in ["journals", "tasks", "approvals", "credentials"] {
            assert!(of(&early, place, "held") > 0, "{place} in {early}");
        }
        assert!(of(&early, "tasks", "erased") > 0 && of(&early, "events", "erased") > 0, "{early}");
        assert_eq!(early["remaining"], 0, "{early}");
        confirmed(&mut bob, &mut admin, &waiting, &format!("{NAME} may")).await?;
        admin.call("auth.token.revoke", json!({ "tokenId": key })).await?;
        drop(her);

        let before = history(&mut admin, &session).await?;
        let counted = admin.call("memory.erase", json!({ "person": NAME, "dryRun": true })).await?;
        assert_eq!(history(&mut admin, &session).await?, before, "it was only counted");
        let shown = cli(&daemon, &["memory", "erase", "--person", NAME]).await?;
        let line = format!("journals: {} texts are gone\n", of(&counted, "journals", "erased"));
        assert!(shown.stdout.contains(&line) && shown.stdout.contains("0 remain"), "{shown:?}");
        let again = admin.call("memory.erase", json!({ "person": NAME })).await?;
        for (place, found) in again["elsewhere"].as_object().into_iter().flatten() {
            assert_eq!(found, &json!({ "erased": 0, "held": 0 }), "{place}");
        }

        let after = history(&mut admin, &session).await?;
        assert_eq!(after.len(), before.len());
        assert!(json!(after).to_string().contains(graces), "somebody else's words stay: {after:?}");
        let replay = admin.call("session.replay", json!({ "sessionId": session })).await?;
        assert_eq!((&replay["next"], &replay["divergences"]), (&json!("erased"), &json!([])), "{replay}");
        let gone = admin.call("task.get", json!({ "taskId": cancelled })).await?;
        assert_eq!((&gone["title"], &gone["status"]), (&json!("[erased]"), &json!("cancelled")));
        assert_eq!(admin.call("task.get", json!({ "taskId": task })).await?["status"], "completed");
        let verified = admin.call("audit.verify", json!({})).await?;
        assert_eq!(verified["intact"], true, "{verified}");
        assert!(verified["erased"].as_u64() > Some(0), "{verified}");
        let events = admin.call("event.list", json!({ "limit": 1_000 })).await?;
        let seqs: Vec<u64> =
            events["items"].as_array().into_iter().flatten().filter_map(|e| e["seq"].as_u64()).collect();
        assert!(seqs.len() > 20 && seqs.windows(2).all(|two| two[1] == two[0] + 1), "{seqs:?}");
        let (url, directory) = (daemon.database_url().map(str::to_owned), daemon.data_directory().to_owned());
        nowhere(&directory, &WORDS)?;
        if let Some(url) = url {
            not_in_tables(&url, &WORDS).await?;
        }
        daemon.terminate().await;
    }
    Ok(())
}

#[tokio::test]
async fn others_keep_every_word() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(Backend::Sqlite).start().await?;
    let mut admin = daemon.admin().await;
    let other = admin.call("org.create", json!({ "name": "other" })).await?;
    let (mut theirs, _) = somebody(&daemon, "carol", json!({ "orgId": other["id"] })).await?;
    let (mut bob, _) = somebody(&daemon, "bob", json!({})).await?;
    let their_task = tasks_of(&mut theirs).await?;
    tasks_of(&mut bob).await?;
    let graces = json!({ "title": "Call Grace Hopper", "requiredCapabilities": ["nobody"] });
    let graces = bob.call("task.create", graces).await?;
    bob.call("task.cancel", json!({ "taskId": graces["id"], "reason": "Grace Hopper is away" })).await?;
    let before = theirs.call("event.list", json!({ "limit": 1_000 })).await?;
    admin.call("memory.erase", json!({ "topic": NAME })).await?;
    assert_eq!(theirs.call("event.list", json!({ "limit": 1_000 })).await?, before);
    let task = theirs.call("task.get", json!({ "taskId": their_task })).await?;
    assert_eq!((&task["title"], &task["reason"]), (&json!(format!("Ring {NAME}")), &json!(format!("{NAME} is away"))));
    let task = bob.call("task.get", json!({ "taskId": graces["id"] })).await?;
    assert_eq!((&task["title"], &task["reason"]), (&json!("Call Grace Hopper"), &json!("Grace Hopper is away")));
    Ok(())
}

#[tokio::test]
async fn of_a_session_everything_goes_and_of_another_nothing() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let stage = Stage::new()?;
        let daemon = stage.daemon(backend).start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*", "session.*", "memory.*"]).await;
        let (mut bob, _) = somebody(&daemon, "bob", json!({})).await?;
        let (mut sessions, mut tasks) = (Vec::new(), Vec::new());
        for name in ["Ada", "Grace"] {
            let (task, waiting) = waits(&mut bob, &mut admin, name).await?;
            let (mut carol, _) = somebody(&daemon, "carol", json!({})).await?;
            confirmed(&mut carol, &mut admin, &waiting, "go on").await?;
            sessions.push(waiting["sessionId"].clone());
            tasks.push(task);
        }
        let (before, kept) = (history(&mut admin, &sessions[0]).await?, history(&mut admin, &sessions[1]).await?);
        let erased = admin.call("memory.erase", json!({ "sessionId": sessions[0] })).await?;
        for place in ["journals", "tasks", "approvals", "events", "audit"] {
            assert!(of(&erased, place, "erased") > 0, "{place} in {erased}");
        }
        let gone = history(&mut admin, &sessions[0]).await?;
        let kinds = |entries: &[Value]| -> Vec<Value> {
            entries.iter().map(|entry| json!([entry["number"], entry["at"], entry["entry"]["kind"]])).collect()
        };
        assert_eq!(kinds(&gone), kinds(&before));
        assert!(!json!(gone).to_string().contains("Dear"), "{gone:?}");
        let task = admin.call("task.get", json!({ "taskId": tasks[0] })).await?;
        assert_eq!((&task["title"], &task["status"]), (&json!("[erased]"), &json!("completed")), "{task}");
        assert_eq!(admin.call("session.replay", json!({ "sessionId": sessions[0] })).await?["next"], "erased");
        assert_eq!(history(&mut admin, &sessions[1]).await?, kept);
        let replay = admin.call("session.replay", json!({ "sessionId": sessions[1] })).await?;
        assert_eq!((&replay["next"], &replay["divergences"]), (&json!("finish"), &json!([])), "{replay}");
        assert_eq!(replay.get("erased"), None);
    }
    Ok(())
}

#[tokio::test]
async fn of_an_organisation_every_text_goes_and_it_works_on() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(Backend::Sqlite).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*", "memory.*"]).await;
    let (mut bob, _) = somebody(&daemon, "bob", json!({})).await?;
    let (mut carol, _) = somebody(&daemon, "carol", json!({})).await?;
    let (_, waiting) = waits(&mut bob, &mut admin, "Zebedee").await?;
    confirmed(&mut carol, &mut admin, &waiting, "Zebedee it is").await?;
    let erased = admin.call("memory.erase", json!({ "organisation": true })).await?;
    assert!(of(&erased, "credentials", "held") >= 3, "who is there stays: {erased}");
    nowhere(daemon.data_directory(), &["zebedee"])?;
    let (_, waiting) = waits(&mut bob, &mut admin, "Ada").await?;
    confirmed(&mut carol, &mut admin, &waiting, "go on").await?;
    let replay = admin.call("session.replay", json!({ "sessionId": waiting["sessionId"] })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}
