//! What sessions begin with, leave behind, and do not lose when they get too long.

use std::path::PathBuf;

use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::store;

/// A scripted model, one agent, and a directory it reads.
pub(crate) struct Stage(TempDir);

impl Stage {
    pub(crate) fn new(rules: &Value) -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        std::fs::create_dir_all(stage.0.path().join("agents"))?;
        std::fs::create_dir_all(stage.source())?;
        let agent = "---\nname: Reader\nworkspaceSource: main\nworkspace: shared\n---\nRead what you are told to.\n";
        std::fs::write(stage.0.path().join("agents/reader.md"), agent)?;
        std::fs::write(stage.0.path().join("script.json"), json!({ "rules": rules }).to_string())?;
        Ok(stage)
    }

    /// Another agent, by what else its front matter says.
    fn agent(&self, name: &str, front: &str) -> anyhow::Result<()> {
        let text = format!("---\nname: {name}\n{front}\n---\nDo as you are told.\n");
        Ok(std::fs::write(self.0.path().join(format!("agents/{name}.md")), text)?)
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.0.path().join("source")
    }

    /// A second model, which follows these rules and is asked for nothing but by its name `scribe/scripted`.
    pub(crate) fn scribe(&self, rules: &Value) -> anyhow::Result<Value> {
        let script = self.0.path().join("scribe.json");
        std::fs::write(&script, json!({ "rules": rules }).to_string())?;
        Ok(json!({ "models": { "providers": { "scribe": { "kind": "scripted", "script": script } } } }))
    }

    pub(crate) fn daemon(&self, more: Value) -> Builder {
        let script = self.0.path().join("script.json");
        Daemon::builder().without_rate_limits().config(json!({
            "models": { "providers": { "stage": { "kind": "scripted", "script": script } }, "primary": "stage/scripted" },
            "agentFiles": { "directories": [self.0.path().join("agents")] },
            "workspaces": { "sources": { "main": self.source() } },
            "tools": { "allow": ["fs.read", "memory.*"] },
            "memory": { "recallTokens": 1_500 },
            "tasks": { "sweepMs": 20 },
        })).config(more)
    }
}

/// Gives the agent a task; which.
pub(crate) async fn given(socket: &mut Socket, prompt: &str) -> anyhow::Result<Value> {
    given_to(socket, "reader", prompt).await
}

async fn given_to(socket: &mut Socket, agent: &str, prompt: &str) -> anyhow::Result<Value> {
    let spawned = socket.call("agent.spawn", json!({ "agent": agent, "prompt": prompt })).await?;
    Ok(spawned["taskId"].clone())
}

pub(crate) async fn completed(socket: &mut Socket, task: &Value) -> Event {
    let is_end = |event: &Event| {
        event.payload["taskId"] == *task && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    let end = socket.events_until("the end of the task", is_end).await.pop().expect("it was waited for");
    assert_eq!(end.name, "task.completed", "{:?}", end.payload);
    end
}

/// The session of a task, and its journal.
pub(crate) async fn journal(socket: &mut Socket, task: &Value) -> anyhow::Result<(Value, Vec<Value>)> {
    let sessions = socket.call("session.list", json!({ "limit": 200 })).await?;
    let all = sessions["sessions"].as_array().cloned().unwrap_or_default();
    let id =
        all.iter().find(|session| session["taskId"] == *task).map(|session| session["id"].clone()).unwrap_or_default();
    let (mut entries, mut after) = (Vec::new(), json!(0));
    loop {
        let page = socket.call("session.history", json!({ "sessionId": id, "after": after, "limit": 200 })).await?;
        let more = page["entries"].as_array().cloned().unwrap_or_default();
        let Some(last) = more.last() else { return Ok((id, entries)) };
        after = last["number"].clone();
        entries.extend(more);
    }
}

pub(crate) fn noted<'e>(entries: &'e [Value], what: &str) -> Vec<&'e Value> {
    entries.iter().filter(|entry| entry["entry"]["what"] == what).map(|entry| &entry["entry"]).collect()
}

/// Waits until the session is remembered, and tells its summary.
pub(crate) async fn remembered(socket: &mut Socket, session: &Value) -> anyhow::Result<Value> {
    loop {
        let list = json!({ "sessionId": session, "type": "summary", "tier": "episodic" });
        let found = socket.call("memory.list", list).await?;
        if let Some(summary) =
            found["items"].as_array().into_iter().flatten().find(|m| m["content"].to_string().contains("Session on"))
        {
            return Ok(summary.clone());
        }
        socket.events_until("the session to be remembered", |event| event.name == "memory.stored").await;
    }
}

#[tokio::test]
async fn a_session_begins_with_what_an_earlier_one_left_behind() -> anyhow::Result<()> {
    let rules = json!([
        { "when": { "says": "remembered from earlier" }, "say": [{ "text": "I was told: {{last}}" }] },
        { "say": [{ "text": "The report is in out.md. Not yet done: the index." }] },
    ]);
    let stage = Stage::new(&rules)?;
    let daemon = stage.daemon(json!({})).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "memory.*"]).await;
    let first = given(&mut admin, "Write the zeppelin report. I prefer tables over prose in reports.").await?;
    completed(&mut admin, &first).await;
    let (session, entries) = journal(&mut admin, &first).await?;
    assert!(noted(&entries, "recalled").is_empty(), "nothing was known: {entries:?}");
    let summary = remembered(&mut admin, &session).await?;
    assert!(summary["content"].to_string().contains("Open: "), "{summary}");
    let preferences = admin.call("memory.list", json!({ "type": "preference" })).await?;
    let preference = &preferences["items"][0];
    assert_eq!(preference["content"], "I prefer tables over prose in reports", "{preferences}");
    assert!(preference["sources"].to_string().contains(session.as_str().unwrap_or_default()), "{preference}");
    assert!(summary["sources"].to_string().contains(preference["memoryId"].as_str().unwrap_or("-")), "{summary}");
    let second = given(&mut admin, "Write another report on the zeppelin.").await?;
    let told = completed(&mut admin, &second).await.payload.to_string();
    let (session, entries) = journal(&mut admin, &second).await?;
    let recalled = noted(&entries, "recalled");
    assert!(
        recalled[0]["facts"]["memories"].to_string().contains(preference["memoryId"].as_str().unwrap_or("-")),
        "{recalled:?}"
    );
    let result = admin.call("task.get", json!({ "taskId": second })).await?["result"].to_string();
    assert!(result.contains("I prefer tables over prose"), "{result} {told}");
    // What was recalled is not learned again.
    remembered(&mut admin, &session).await?;
    let preferences = admin.call("memory.list", json!({ "type": "preference" })).await?;
    assert_eq!(preferences["items"].as_array().map(Vec::len), Some(1), "{preferences}");
    let replay = admin.call("session.replay", json!({ "sessionId": session })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_not_to_remember_leaves_nothing_and_begins_with_nothing() -> anyhow::Result<()> {
    let stage = Stage::new(&json!([{ "say": [{ "text": "done" }] }]))?;
    let daemon = stage.daemon(json!({ "memory": { "learningEnabled": false, "recallTokens": 0 } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    store(&mut admin, json!({ "content": "The zeppelin is grey." })).await?;
    let task = given(&mut admin, "I prefer a zeppelin that is grey.").await?;
    completed(&mut admin, &task).await;
    let (_, entries) = journal(&mut admin, &task).await?;
    assert!(noted(&entries, "recalled").is_empty());
    let (daemon, mut admin) = {
        // The end of the daemon is the end of whatever it was about to remember.
        let again = daemon.kill().await.start().await?;
        let admin = again.admin().await;
        (again, admin)
    };
    let stats = admin.call("memory.stats", json!({})).await?;
    assert_eq!((&stats["tiers"][1]["count"], &stats["tiers"][2]["count"]), (&json!(0), &json!(1)), "{stats}");
    drop(daemon);
    Ok(())
}

#[tokio::test]
async fn what_nobody_vouches_for_is_not_what_a_session_begins_with_unless_it_is_wanted() -> anyhow::Result<()> {
    let read = json!([{ "call": { "tool": "fs_read", "arguments": { "path": "page.txt" } } }]);
    let rules = json!([
        { "when": { "hasResults": true }, "say": [{ "text": "The page says that the zeppelin is made of cheese." }] },
        { "when": { "says": "Read the page" }, "say": read },
        { "say": [{ "text": "done" }] },
    ]);
    let stage = Stage::new(&rules)?;
    std::fs::write(stage.source().join("page.txt"), "The zeppelin is made of cheese.")?;
    for (wanted, expected) in [(false, false), (true, true)] {
        let daemon =
            stage.daemon(json!({ "memory": { "recallUntrusted": wanted, "recallThreshold": 0.0 } })).start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*", "memory.*"]).await;
        let first = given(&mut admin, "Read the page about the zeppelin.").await?;
        completed(&mut admin, &first).await;
        let (session, _) = journal(&mut admin, &first).await?;
        remembered(&mut admin, &session).await?;
        let second = given(&mut admin, "Tell what is known about the zeppelin.").await?;
        completed(&mut admin, &second).await;
        let (_, entries) = journal(&mut admin, &second).await?;
        let told = serde_json::to_string(&noted(&entries, "recalled"))?;
        assert_eq!(told.contains("made of cheese"), expected, "{wanted}: {told}");
        assert!(told.contains("Read the page"), "what a person said is known in any case: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn whose_the_memories_of_a_session_are_is_what_the_file_of_its_agent_says() -> anyhow::Result<()> {
    let stage = Stage::new(&json!([{ "say": [{ "text": "done" }] }]))?;
    for (name, front) in
        [("usual", ""), ("of-user", "memory: user"), ("of-all", "memory: project"), ("own", "memory: local")]
    {
        stage.agent(name, front)?;
    }
    let daemon = stage.daemon(json!({})).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "memory.*"]).await;
    for (number, (agent, owner)) in [
        ("usual", "user:administrator"),
        ("of-user", "user:administrator"),
        ("of-all", "organisation"),
        ("own", "agent:own"),
    ]
    .into_iter()
    .enumerate()
    {
        let prompt = format!("I prefer zeppelins of type {number}{number} when I travel for {agent}.");
        let task = given_to(&mut admin, agent, &prompt).await?;
        completed(&mut admin, &task).await;
        let (session, _) = journal(&mut admin, &task).await?;
        remembered(&mut admin, &session).await?;
        let found = admin.call("memory.list", json!({ "sessionId": session, "limit": 50 })).await?;
        let items = found["items"].as_array().cloned().unwrap_or_default();
        assert!(items.iter().any(|memory| memory["type"] == "preference"), "{agent}: {found}");
        for memory in items {
            assert_eq!(memory["scope"], owner, "{agent}: {memory}");
        }
    }
    // With whose memories it begins: not with those of whom it works for.
    let told = async |socket: &mut Socket, agent: &str| -> anyhow::Result<String> {
        let task = given_to(socket, agent, "Book a zeppelin to travel with.").await?;
        completed(socket, &task).await;
        let (_, entries) = journal(socket, &task).await?;
        Ok(serde_json::to_string(&noted(&entries, "recalled"))?)
    };
    let (own, usual) = (told(&mut admin, "own").await?, told(&mut admin, "usual").await?);
    let knows = |told: &str, number: &str| told.contains(&format!("zeppelins of type {number}"));
    assert!(knows(&own, "33") && knows(&own, "22") && !knows(&own, "00"), "{own}");
    assert!(knows(&usual, "00") && knows(&usual, "11") && knows(&usual, "22") && !knows(&usual, "33"), "{usual}");
    Ok(())
}

/// What the agent writes into its scratchpad before it begins.
const NOTE: &str = "Mirabel waits at the mill.";
pub(crate) const PARTS: usize = 200;
/// The room of the conversation, in tokens: much less than all parts together.
const ROOM: usize = 12_000;

/// What is to be found in some of the early parts, and by which question.
const PLANTED: [(usize, &str, &str); 5] = [
    (2, "The vault of Mirabel opens with the code 4711.", "Which code opens the vault of Mirabel?"),
    (5, "Ortwin keeps the spare key under the blue stone.", "Where does Ortwin keep the spare key?"),
    (9, "The zeppelin leaves hangar 18 on a Thursday.", "When does the zeppelin leave hangar 18?"),
    (14, "Quendolin decided to paint the bridge green.", "Which colour did Quendolin choose for the bridge?"),
    (23, "The password of the lighthouse is tangerine.", "What is the password of the lighthouse?"),
];

/// A long way through many files, and questions about its beginning at its end; what the agent
/// does before it sets out is the first of `rules`.
pub(crate) fn long_way(parts: usize, mut rules: Vec<Value>) -> anyhow::Result<Stage> {
    let questions: Vec<Value> = PLANTED
        .iter()
        .map(|(_, _, question)| json!({ "call": { "tool": "memory_query", "arguments": { "query": question, "limit": 2 } } }))
        .collect();
    rules.extend([
        json!({ "when": { "result": "question time" }, "say": questions }),
        json!({ "when": { "result": "memories" }, "say": [{ "text": "{{results}}" }] }),
        json!({ "find": { "next": { "in": "results", "pattern": "next: (\\S+)", "max": 1 } },
                "say": [{ "call": { "tool": "fs_read", "arguments": { "path": "{{next}}" } } }] }),
        json!({ "say": [{ "call": { "tool": "fs_read", "arguments": { "path": "part0.txt" } } }] }),
    ]);
    let stage = Stage::new(&json!(rules))?;
    for part in 0..parts {
        let filler: Vec<String> =
            (0..120).map(|word| format!("w{:x}", (part * 7919 + word * 104_729) % 65_521)).collect();
        let fact = PLANTED.iter().find(|(at, ..)| *at == part).map_or("", |(_, fact, _)| fact);
        let next = if part + 1 == parts { "question time".to_owned() } else { format!("next: part{}.txt", part + 1) };
        let text =
            format!("This is part {part}.\n{}\n{fact}\n{}\n{next}\n", filler[..60].join(" "), filler[60..].join(" "));
        std::fs::write(stage.source().join(format!("part{part}.txt")), text)?;
    }
    Ok(stage)
}

pub(crate) fn narrow() -> Value {
    let budget = json!({ "daily": null, "weekly": null, "monthly": null });
    json!({ "llm": { "contextTokens": ROOM, "turnsMax": 1_000, "tokensMax": null }, "budget": budget })
}

/// Everything that was planted is in what the task came to, and nothing that was summed up is lost.
pub(crate) async fn nothing_is_lost(admin: &mut Socket, task: &Value) -> anyhow::Result<()> {
    let result = admin.call("task.get", json!({ "taskId": task })).await?["result"].to_string();
    for (_, fact, _) in PLANTED {
        assert!(result.contains(fact), "{fact} is not in {result}");
    }
    let (session, entries) = journal(admin, task).await?;
    let compactions = noted(&entries, "compacted");
    assert!(compactions.len() >= 10, "{}", compactions.len());
    let verified = admin.call("memory.verify", json!({ "sessionId": session })).await?;
    assert_eq!((&verified["complete"], &verified["missing"]), (&json!(true), &json!([])), "{verified}");
    assert!(verified["covered"].as_u64() > Some(PARTS as u64), "{verified}");
    let summaries: Vec<&Value> = compactions.iter().map(|noted| &noted["facts"]["more"]["memoryId"]).collect();
    let kept = admin.call("memory.list", json!({ "sessionId": session, "type": "summary", "limit": 200 })).await?;
    let kept = kept["items"].as_array().cloned().unwrap_or_default();
    let of_stretches = kept.iter().filter(|memory| memory["sources"].to_string().contains("#<")).count();
    assert_eq!(of_stretches, summaries.len(), "each stretch is summed up once");
    let replay = admin.call("session.replay", json!({ "sessionId": session })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}

#[tokio::test]
async fn what_was_said_early_is_known_at_the_end_of_a_session_that_was_too_long_ten_times() -> anyhow::Result<()> {
    let stage = long_way(PARTS, Vec::new())?;
    let daemon = stage.daemon(narrow()).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.completed", "task.failed", "memory.stored"]).await;
    let task = given(&mut admin, "Read all parts.").await?;
    // It takes a while; each summary is a sign of life.
    while admin.next_event().await.name == "memory.stored" {}
    nothing_is_lost(&mut admin, &task).await
}

#[tokio::test]
async fn what_an_agent_noted_is_before_it_when_its_conversation_is_summed_up_as_far_as_there_is_room()
-> anyhow::Result<()> {
    let note = json!({ "block": "task", "content": NOTE });
    let notes = json!({ "times": 1, "say": [{ "call": { "tool": "memory_insert", "arguments": note } }] });
    let stage = long_way(60, vec![notes])?;
    for (tokens, expected) in [(2_000, true), (0, false)] {
        let daemon = stage.daemon(narrow()).config(json!({ "memory": { "scratchpadTokens": tokens } })).start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*"]).await;
        let task = given(&mut admin, "Read all parts.").await?;
        completed(&mut admin, &task).await;
        let (session, entries) = journal(&mut admin, &task).await?;
        let summed_up = noted(&entries, "compacted");
        assert!(!summed_up.is_empty());
        for noted in summed_up {
            let is_there = noted["facts"]["beside"].to_string().contains(NOTE);
            assert_eq!(is_there, expected, "{tokens}: {noted}");
        }
        let replay = admin.call("session.replay", json!({ "sessionId": session })).await?;
        assert_eq!(replay["divergences"], json!([]), "{replay}");
    }
    Ok(())
}

/// The way is gone by daemons of which each is killed when it has summed up; the last of them, and the task.
pub(crate) async fn killed_at_each_summary(builder: Builder) -> anyhow::Result<(Daemon, Socket, Value)> {
    let mut daemon = builder.start().await?;
    let mut admin = daemon.admin().await;
    let task = given(&mut admin, "Read all parts.").await?;
    let (mut after, mut kills) = (0, 0);
    loop {
        admin.subscribe_after(&["task.completed", "task.failed", "memory.stored"], after).await;
        let is_next = |event: &Event| event.name.starts_with("task.") || event.payload["count"] == 1;
        let event = admin.events_until("a summary, or the end", is_next).await.pop().expect("it was waited for");
        after = event.seq.unwrap_or(after);
        if event.name.starts_with("task.") {
            assert_eq!(event.name, "task.completed", "{:?}", event.payload);
            break;
        }
        kills += 1;
        daemon = daemon.kill().await.start().await?;
        admin = daemon.admin().await;
    }
    assert!(kills >= 10, "{kills}");
    Ok((daemon, admin, task))
}

#[tokio::test]
async fn the_same_if_the_daemon_is_killed_whenever_it_sums_up() -> anyhow::Result<()> {
    let stage = long_way(PARTS, Vec::new())?;
    let (_daemon, mut admin, task) = killed_at_each_summary(stage.daemon(narrow())).await?;
    nothing_is_lost(&mut admin, &task).await
}
