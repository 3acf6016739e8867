//! A summary of a conversation is taken back: its model reads again what that stood for.

use orchestrator_rpc::{Code, Error};
use orchestrator_testkit::{Builder, Daemon, Event, Socket, patiently};
use serde_json::{Value, json};

use crate::cli;
use crate::sessions::{Stage, completed, given, journal, long_way, narrow, noted};

/// The parts of the way: so many that a conversation without its first summary gets too long again.
const LONG: usize = 90;

/// Where the first summary comes at the latest. What a file says has a tab before it; what is remembered of it has none.
const EARLY: &str = "\\tnext: (part[0-3]?[0-9]\\.txt)";
const EVER: &str = "\\tnext: (\\S+)";

/// Reads on, and notes something once it was summed up as early as that: that takes a person's word. Then it says whether it sees the
/// beginning.
fn stage(pause: &Value, early: &str) -> anyhow::Result<Stage> {
    let next = json!({ "in": "results", "pattern": EVER, "max": 1 });
    let summed_up = json!({ "in": "all", "pattern": "Some (parts) were read", "max": 1 });
    let noted = json!({ "in": "results", "pattern": "(Halfway)", "max": 1 });
    let beginning = json!({ "in": "all", "pattern": "This is part (0)\\.", "max": 1 });
    let read = json!({ "call": { "tool": "fs_read", "arguments": { "path": "{{next}}" } } });
    let note = json!({ "block": "task", "content": "Halfway" });
    let note = json!({ "call": { "tool": "memory_insert", "arguments": note } });
    let soon = json!({ "in": "results", "pattern": early, "max": 1 });
    let mut first = json!({ "find": { "next": soon, "summed": summed_up }, "times": 1, "say": [read, note] });
    if let (Value::Object(all), Value::Object(more)) = (&mut first, pause.clone()) {
        all.extend(more);
    }
    let sees = json!({ "find": { "next": next, "noted": noted, "beginning": beginning },
        "say": [{ "text": "I see the beginning." }, read] });
    let misses = json!({ "find": { "next": next, "noted": noted }, "say": [{ "text": "I see no beginning." }, read] });
    long_way(LONG, vec![sees, misses, first])
}

fn daemon(stage: &Stage) -> anyhow::Result<Builder> {
    let scribe = json!([{ "when": { "system": "You sum up" }, "say": [{ "text": "Some parts were read." }] }]);
    let memory = json!({ "memory": { "summaryModel": "scribe/scripted" } });
    Ok(stage.daemon(narrow()).config(stage.scribe(&scribe)?).config(memory))
}

/// Waits until the note waits for a person; what answers it.
async fn waits(admin: &mut Socket) -> anyhow::Result<Value> {
    admin.events_until("a person to be asked", |event| event.name == "session.waiting").await;
    let page = admin.call("approval.list", json!({ "status": "pending" })).await?;
    Ok(json!({ "approvalId": page["items"][0]["id"], "digest": page["items"][0]["digest"] }))
}

async fn approve(daemon: &Daemon, answer: Value) -> anyhow::Result<()> {
    let params = json!({ "kind": "apiKey", "subject": "bob", "scopes": ["daemon.read", "daemon.approve"] });
    let issued = daemon.admin_http().call("auth.token.issue", params).await?;
    let mut bob = daemon.socket(issued["token"].as_str().unwrap_or_default()).await;
    bob.call("tool.approve", answer).await?;
    Ok(())
}

async fn revert(admin: &mut Socket, session: &Value) -> Result<Value, Error> {
    admin.call("memory.revert", json!({ "sessionId": session })).await
}

/// What the agent says of the beginning.
fn said(entries: &[Value]) -> Vec<&str> {
    let texts = ["I see the beginning.", "I see no beginning."];
    let answers = entries.iter().filter(|entry| entry["entry"]["kind"] == "answered").map(ToString::to_string);
    answers.filter_map(|answer| texts.into_iter().find(|text| answer.contains(text))).collect()
}

async fn same_again(admin: &mut Socket, session: &Value) -> anyhow::Result<()> {
    let replay = admin.call("session.replay", json!({ "sessionId": session })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}

#[tokio::test]
async fn a_suspended_session_reads_again_what_was_summed_up_also_after_a_kill() -> anyhow::Result<()> {
    let stage = stage(&json!({}), EARLY)?;
    for (is_reverted, is_killed) in [(true, false), (true, true), (false, false)] {
        let confirm = json!({ "tools": { "confirm": ["memory.insert"] } });
        let mut daemon = self::daemon(&stage)?.config(confirm).start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*", "session.*", "memory.*"]).await;
        let task = given(&mut admin, "Read all parts.").await?;
        let answer = waits(&mut admin).await?;
        let (session, entries) = journal(&mut admin, &task).await?;
        let summaries = noted(&entries, "compacted");
        assert_eq!(summaries.len(), 1, "{summaries:?}");
        if is_reverted {
            let memory = summaries[0]["facts"]["more"]["memoryId"].clone();
            let before = admin.call("memory.verify", json!({ "sessionId": session })).await?;
            let reverted = revert(&mut admin, &session).await?;
            assert_eq!(reverted["memoryId"], memory, "{reverted}");
            assert!(reverted["tokens"].as_u64() > reverted["tokensBefore"].as_u64(), "{reverted}");
            assert!(reverted["tokens"].as_u64() <= reverted["tokensMax"].as_u64(), "{reverted}");
            admin.event_about("session.reverted", &session).await;
            let gone = admin.call("memory.get", json!({ "memoryId": memory })).await.unwrap_err();
            assert_eq!(gone.code, Code::NotFound);
            let after = admin.call("memory.verify", json!({ "sessionId": session })).await?;
            assert_eq!((&after["complete"], &after["covered"]), (&json!(true), &json!(0)), "{after}");
            assert!(after["uncovered"].as_u64() > before["uncovered"].as_u64(), "{before} {after}");
            let none = revert(&mut admin, &session).await.unwrap_err();
            assert!(none.code == Code::Conflict && none.message.contains("no summary"), "{none:?}");
            let audited = admin.call("audit.list", json!({ "limit": 50 })).await?;
            assert!(audited.to_string().contains("memory.revert"), "{audited}");
        }
        if is_killed {
            daemon = daemon.kill().await.start().await?;
            admin = daemon.admin().await;
            admin.subscribe(&["task.*", "session.*", "memory.*"]).await;
        }
        approve(&daemon, answer).await?;
        completed(&mut admin, &task).await;
        let (_, entries) = journal(&mut admin, &task).await?;
        let expected = if is_reverted { "I see the beginning." } else { "I see no beginning." };
        assert_eq!(said(&entries), [expected]);
        same_again(&mut admin, &session).await?;
        if is_reverted {
            not_at_once_again(&entries);
        }
    }
    Ok(())
}

/// It is summed up again when there is no room any more, not where it was before.
fn not_at_once_again(entries: &[Value]) {
    let place = |what: &str, from: usize| {
        entries.iter().skip(from).position(|entry| entry["entry"]["what"] == what).map(|place| place + from)
    };
    let reverted = place("reverted", 0).expect("it was taken back");
    let again = place("compacted", reverted).expect("it got too long");
    let results = entries[reverted..again].iter().filter(|entry| entry["entry"]["kind"] == "returned").count();
    assert!(results >= 5, "{results}");
}

#[tokio::test]
async fn a_session_at_work_reads_it_again_with_its_next_request() -> anyhow::Result<()> {
    let stage = stage(&json!({ "delayMs": 4_000 }), EVER)?;
    let daemon = self::daemon(&stage)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*", "memory.stored"]).await;
    let task = given(&mut admin, "Read all parts.").await?;
    let is_summed_up = |event: &Event| event.name == "memory.stored" && event.payload["count"] == 1;
    admin.events_until("a summary", is_summed_up).await;
    let (session, _) = journal(&mut admin, &task).await?;
    // The summary is remembered a moment before it is used.
    let reverted = async {
        while let Err(error) = revert(&mut admin, &session).await {
            assert_eq!(error.code, Code::Conflict, "{error:?}");
        }
    };
    patiently("the summary to be used", reverted).await;
    completed(&mut admin, &task).await;
    let (_, entries) = journal(&mut admin, &task).await?;
    assert_eq!(said(&entries), ["I see the beginning."]);
    same_again(&mut admin, &session).await
}

#[tokio::test]
async fn what_would_not_fit_stays_summed_up_and_what_is_over_loses_only_what_was_remembered() -> anyhow::Result<()> {
    let stage = stage(&json!({}), EVER)?;
    // There is no room when it is summed up.
    let full = json!({ "tools": { "confirm": ["memory.insert"] }, "memory": { "compactionThreshold": 1.0 } });
    let daemon = self::daemon(&stage)?.config(full).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*", "memory.*"]).await;
    let task = given(&mut admin, "Read all parts.").await?;
    let answer = waits(&mut admin).await?;
    let (session, entries) = journal(&mut admin, &task).await?;
    let refused = revert(&mut admin, &session).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.message.contains("12000 (llm.contextTokens)"), "{refused:?}");
    let memory = noted(&entries, "compacted")[0]["facts"]["more"]["memoryId"].clone();
    admin.call("memory.get", json!({ "memoryId": memory })).await?;
    approve(&daemon, answer).await?;
    completed(&mut admin, &task).await;
    let (_, entries) = journal(&mut admin, &task).await?;
    let summaries: Vec<Value> =
        noted(&entries, "compacted").iter().rev().map(|noted| noted["facts"]["more"]["memoryId"].clone()).collect();
    let length = entries.len();
    for memory in &summaries {
        let told = cli(&daemon, &["memory", "revert", session.as_str().unwrap_or_default()]).await?;
        assert!(told.status == 0 && told.stdout.contains("the session is over"), "{told:?}");
        let gone = admin.call("memory.get", json!({ "memoryId": memory })).await.unwrap_err();
        assert_eq!(gone.code, Code::NotFound);
    }
    let none = revert(&mut admin, &session).await.unwrap_err();
    assert_eq!(none.code, Code::Conflict);
    assert_eq!(journal(&mut admin, &task).await?.1.len(), length, "its journal is closed");
    same_again(&mut admin, &session).await?;
    let token = daemon.token("daemon.write").await;
    let refused = revert(&mut daemon.socket(&token).await, &session).await.unwrap_err();
    assert_eq!(refused.code, Code::Forbidden, "it takes an administrator");
    Ok(())
}
