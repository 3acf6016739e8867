//! Summaries by a model, and what happens when it fails.

use orchestrator_testkit::{Builder, Daemon, Event, Socket, patiently};
use serde_json::{Value, json};

use crate::sessions::{
    PARTS, Stage, completed, given, journal, killed_at_each_summary, long_way, narrow, noted, nothing_is_lost,
    remembered,
};
use crate::{found, store};

/// What the model says that sums up.
const WORDS: &str = "The agent reads one part after another; so says the scribe.";

fn says(text: &str) -> Value {
    json!({ "when": { "system": "You sum up" }, "say": [{ "text": text }] })
}

/// A long way in little room, summed up by a model with these rules.
fn long(stage: &Stage, rules: &Value) -> anyhow::Result<Builder> {
    let memory = json!({ "memory": { "summaryModel": "scribe/scripted" } });
    Ok(stage.daemon(narrow()).config(stage.scribe(rules)?).config(memory))
}

/// What is noted of each summary of a stretch.
async fn stretches(admin: &mut Socket, task: &Value) -> anyhow::Result<Vec<Value>> {
    let (_, entries) = journal(admin, task).await?;
    Ok(noted(&entries, "compacted").into_iter().map(|noted| noted["facts"].clone()).collect())
}

/// How often the model that sums up was asked and paid for, for sessions.
async fn requests(admin: &mut Socket) -> anyhow::Result<u64> {
    let report = admin.call("budget.report", json!({ "by": "provider" })).await?;
    let of_scribe = report["rows"].as_array().into_iter().flatten().find(|row| row["name"] == "scribe");
    Ok(of_scribe.and_then(|row| row["requests"].as_u64()).unwrap_or_default())
}

async fn answered(daemon: &Daemon, purpose: &str, outcome: &str) -> bool {
    let page = daemon.admin_http().get("/metrics").await.body;
    let is_it = |line: &str| {
        line.starts_with("memory_model_answers_total{")
            && line.contains(&format!("for=\"{purpose}\""))
            && line.contains(&format!("outcome=\"{outcome}\""))
    };
    page.lines().any(is_it)
}

#[tokio::test]
async fn a_conversation_goes_on_with_the_words_of_a_model_and_nothing_is_lost() -> anyhow::Result<()> {
    let stage = long_way(PARTS, Vec::new())?;
    // It reads so little at once that it sums up pieces, and then their summaries.
    let small =
        json!({ "models": { "providers": { "scribe": { "models": { "scripted": { "contextWindow": 6_000 } } } } } });
    let daemon = long(&stage, &json!([says(WORDS)]))?.config(small).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.completed", "task.failed", "memory.stored"]).await;
    let task = given(&mut admin, "Read all parts.").await?;
    while admin.next_event().await.name == "memory.stored" {}
    nothing_is_lost(&mut admin, &task).await?;
    let stretches = stretches(&mut admin, &task).await?;
    let mut asked = 0;
    for stretch in &stretches {
        assert!(stretch["summary"].to_string().contains(WORDS), "{stretch}");
        assert_eq!(stretch["summary"]["label"]["integrity"], "untrusted", "it was made of files: {stretch}");
        let more = &stretch["more"];
        assert_eq!((&more["by"], &more["model"]), (&json!("model"), &json!("scribe/scripted")), "{more}");
        assert!(more["requests"].as_u64() > Some(2) && stretch["usage"]["output"].as_u64() > Some(0), "{stretch}");
        asked += more["requests"].as_u64().unwrap_or_default();
    }
    let (session, _) = journal(&mut admin, &task).await?;
    let summary = remembered(&mut admin, &session).await?;
    assert!(summary["content"].to_string().contains(WORDS), "{summary}");
    let kept = admin.call("memory.verify", json!({ "sessionId": session })).await?;
    assert!(kept["figures"].as_u64() > Some(1_000) && kept["figuresKept"] == 0, "the scribe keeps no number: {kept}");
    asked += summary["metadata"]["requests"].as_u64().unwrap_or_default();
    let spent = admin.call("usage.list", json!({ "session": session, "limit": 200 })).await?;
    let of_scribe = spent["items"].as_array().into_iter().flatten().filter(|one| one["provider"] == "scribe").count();
    assert!(of_scribe > 0, "it is put down to the session: {spent}");
    assert_eq!(requests(&mut admin).await?, asked, "each is paid for once");
    assert!(answered(&daemon, "stretch", "used").await && answered(&daemon, "session", "used").await);
    Ok(())
}

#[tokio::test]
async fn whatever_is_wrong_with_the_answer_the_rules_do_it_and_the_work_goes_on() -> anyhow::Result<()> {
    let wrong = |mut rule: Value| {
        rule["times"] = json!(1);
        rule["when"] = json!({ "system": "You sum up" });
        rule
    };
    let faults = [
        ("unanswered", wrong(json!({ "fault": { "error": "invalid_request" } }))),
        ("empty", wrong(json!({ "say": [{ "text": " " }] }))),
        ("too_long", wrong(json!({ "say": [{ "text": "much ".repeat(2_000) }], "pieceChars": 20_000 }))),
        ("called_tool", wrong(json!({ "say": [{ "call": { "tool": "fs_read", "arguments": { "path": "x" } } }] }))),
        ("unfinished", wrong(json!({ "say": [{ "text": "It re" }], "stop": { "kind": "max_tokens" } }))),
        ("late", wrong(json!({ "fault": { "silent": true } }))),
    ];
    let rules: Vec<Value> = faults.iter().map(|(_, rule)| rule.clone()).chain([says(WORDS)]).collect();
    let stage = long_way(PARTS, Vec::new())?;
    // One says nothing, and is waited for until then.
    let more = json!({ "models": { "onRefusal": "stop" }, "memory": { "modelTimeoutMs": 5_000 } });
    let daemon = long(&stage, &json!(rules))?.config(more).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.completed", "task.failed", "memory.stored"]).await;
    let task = given(&mut admin, "Read all parts.").await?;
    while admin.next_event().await.name == "memory.stored" {}
    nothing_is_lost(&mut admin, &task).await?;
    let stretches = stretches(&mut admin, &task).await?;
    for ((fault, _), stretch) in faults.iter().zip(&stretches) {
        let more = &stretch["more"];
        assert_eq!((&more["by"], more["fault"].is_string()), (&json!("rules"), true), "{fault}: {more}");
        assert!(!stretch["summary"].to_string().contains(WORDS), "{stretch}");
        assert!(answered(&daemon, "stretch", fault).await, "{fault}: {more}");
    }
    assert_eq!(stretches[faults.len()]["more"]["by"], "model", "{}", stretches[faults.len()]);
    Ok(())
}

#[tokio::test]
async fn without_money_for_the_model_the_rules_do_it_and_the_session_goes_on() -> anyhow::Result<()> {
    let stage = long_way(80, Vec::new())?;
    let limit = json!([{ "scope": "provider:scribe", "window": "day", "tokens": 10 }]);
    for (limits, by) in [(limit, "rules"), (json!([]), "model")] {
        let budget = json!({ "budget": { "limits": limits } });
        let daemon = long(&stage, &json!([says(WORDS)]))?.config(budget).start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*"]).await;
        let task = given(&mut admin, "Read all parts.").await?;
        completed(&mut admin, &task).await;
        let stretches = stretches(&mut admin, &task).await?;
        assert!(!stretches.is_empty());
        assert!(stretches.iter().all(|stretch| stretch["more"]["by"] == by), "{stretches:?}");
        let is_told = stretches[0]["more"]["fault"].to_string().contains("budget");
        assert_eq!(is_told, by == "rules", "{}", stretches[0]["more"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_summary_is_made_once_if_the_daemon_is_killed_before_it_is_used() -> anyhow::Result<()> {
    let stage = long_way(PARTS, Vec::new())?;
    let (_daemon, mut admin, task) = killed_at_each_summary(long(&stage, &json!([says(WORDS)]))?).await?;
    nothing_is_lost(&mut admin, &task).await?;
    let made = stretches(&mut admin, &task).await?;
    assert!(made.iter().all(|stretch| stretch["more"]["by"] == "model"), "{made:?}");
    admin.subscribe(&["memory.stored"]).await;
    let (session, _) = journal(&mut admin, &task).await?;
    let last = remembered(&mut admin, &session).await?["metadata"]["requests"].as_u64().unwrap_or_default();
    assert_eq!(requests(&mut admin).await?, made.len() as u64 + last, "what is remembered is not asked for again");
    Ok(())
}

#[tokio::test]
async fn a_daemon_that_is_killed_while_a_model_sums_up_asks_it_once_more() -> anyhow::Result<()> {
    let stage = long_way(80, Vec::new())?;
    let slow = json!({ "when": { "system": "You sum up" }, "delayMs": 60_000, "say": [{ "text": WORDS }] });
    let patient = json!({ "memory": { "modelTimeoutMs": 120_000 } });
    let daemon = long(&stage, &json!([slow]))?.config(patient).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let task = given(&mut admin, "Read all parts.").await?;
    let under_way = async {
        while !daemon
            .admin_http()
            .get("/metrics")
            .await
            .body
            .contains("model_requests_in_flight{provider=\"scribe\"} 1")
        {}
    };
    patiently("the model to be asked", under_way).await;
    let again = daemon.kill().await;
    stage.scribe(&json!([says(WORDS)]))?;
    let daemon = again.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    while admin.call("task.get", json!({ "taskId": task })).await?["status"] != "completed" {
        admin.events_until("the end", |event| event.name == "task.completed").await;
    }
    let made = stretches(&mut admin, &task).await?;
    assert!(made.iter().all(|stretch| stretch["more"]["by"] == "model"), "{made:?}");
    let (session, _) = journal(&mut admin, &task).await?;
    let kept = admin.call("memory.list", json!({ "sessionId": session, "type": "summary", "limit": 200 })).await?;
    let kept = kept["items"].as_array().cloned().unwrap_or_default();
    let of_stretches = kept.iter().filter(|memory| memory["sources"].to_string().contains("#<")).count();
    assert_eq!(of_stretches, made.len(), "each stretch is remembered once");
    let replay = admin.call("session.replay", json!({ "sessionId": session })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}

#[tokio::test]
async fn what_happened_long_ago_is_summed_up_by_a_model_or_by_rules_and_covers_the_same() -> anyhow::Result<()> {
    let failing = json!({ "fault": { "error": "invalid_request" } });
    for (rule, by, expected) in [
        (says("Grace has moved the airship."), "model", "Grace has moved the airship."),
        (failing, "rules", "Grace moved the zeppelin to hangar 18."),
    ] {
        let stage = Stage::new(&json!([]))?;
        let memory = json!({ "memory": { "episodicKeptMs": 1, "summaryModel": "scribe/scripted" } });
        let daemon = stage.daemon(memory).config(stage.scribe(&json!([rule]))?).start().await?;
        let mut socket = daemon.admin().await;
        socket.subscribe(&["memory.*"]).await;
        let turn = json!({ "tier": "episodic", "type": "turn", "content": "Grace moved the zeppelin to hangar 18." });
        let turn = store(&mut socket, turn).await?["memoryId"].clone();
        let told = socket.events_until("the summary", |event: &Event| event.name == "memory.consolidated").await;
        let summary = told.last().map(|event| event.payload["memoryIds"][0].clone()).unwrap_or_default();
        let summary = socket.call("memory.get", json!({ "memoryId": summary })).await?;
        assert_eq!((&summary["tier"], &summary["covers"][0]), (&json!("semantic"), &turn), "{summary}");
        assert_eq!((&summary["content"], &summary["metadata"]["by"]), (&json!(expected), &json!(by)), "{summary}");
        assert_eq!(found(&mut socket, "Who is Grace?").await, [expected]);
        let verified = socket.call("memory.verify", json!({})).await?;
        assert_eq!((&verified["complete"], &verified["consolidated"]), (&json!(true), &json!(1)), "{verified}");
        assert_eq!(verified["figures"], 0, "what is not there word by word cannot be counted: {verified}");
    }
    Ok(())
}

#[tokio::test]
async fn a_model_that_nobody_has_stops_the_start() -> anyhow::Result<()> {
    let stage = Stage::new(&json!([]))?;
    for key in ["summaryModel", "learningModel"] {
        let ended = stage.daemon(json!({ "memory": { key: "nobody/m" } })).refused().await?;
        let told = format!("{ended:?}");
        assert!(told.contains(key) && told.contains("nobody/m"), "{told}");
    }
    Ok(())
}
