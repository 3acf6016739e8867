use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Event};
use serde_json::{Value, json};

use crate::{BACKENDS, cli, daemon, embedded, fact, found, store, texts};

#[tokio::test]
async fn what_was_stored_is_found_by_its_words_and_the_answer_says_why() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).start().await?;
        let mut socket = daemon.admin().await;
        fact(&mut socket, "The staging database listens on port 6432.").await;
        fact(&mut socket, "Deployments happen on Tuesdays, after the meeting.").await;
        fact(&mut socket, "Nobody deploys databases on Fridays.").await;
        let question = json!({ "query": "Which port does the database for staging have?", "tokens": 100 });
        let answer = socket.call("memory.query", question).await?;
        assert_eq!(texts(&answer)[0], "The staging database listens on port 6432.");
        let best = &answer["memories"][0];
        let stems: Vec<&str> =
            best["why"]["terms"].as_array().into_iter().flatten().filter_map(|t| t[0].as_str()).collect();
        assert!(["port", "databas", "stage"].iter().all(|stem| stems.contains(stem)), "{best}");
        assert!(best["score"].as_f64() > answer["memories"][1]["score"].as_f64());
        assert!(best["why"].get("meaning").is_none(), "nobody makes vectors: {best}");
        let (prompt, id) = (answer["prompt"]["text"].as_str().unwrap_or_default(), best["memory"]["memoryId"].as_str());
        assert!(prompt.contains("port 6432") && prompt.contains(id.unwrap_or_default()), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn another_organisation_never_hears_of_it() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).start().await?;
        let other = daemon.organisation("other").await;
        let (mut ours, mut theirs) = (daemon.admin().await, other.socket(&daemon).await);
        let text = "The launch code of the gate is 4711.";
        let id = fact(&mut ours, text).await;
        assert!(found(&mut theirs, "launch code gate 4711").await.is_empty());
        let refused = theirs.call("memory.get", json!({ "memoryId": id })).await.unwrap_err();
        assert_eq!(refused.code, Code::NotFound);
        assert_eq!(theirs.call("memory.delete", json!({ "memoryId": id })).await.unwrap_err().code, Code::NotFound);
        fact(&mut theirs, text).await;
        for socket in [&mut ours, &mut theirs] {
            assert_eq!(found(socket, "launch code gate 4711").await, [text]);
            let stats = socket.call("memory.stats", json!({})).await?;
            assert_eq!(stats["tiers"][2]["count"], 1, "{stats}");
        }
        theirs.call("memory.erase", json!({ "organisation": true })).await?;
        assert_eq!(found(&mut ours, "launch code").await, [text]);
    }
    Ok(())
}

#[tokio::test]
async fn what_somebody_keeps_to_themselves_nobody_else_finds() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let issue = json!({ "kind": "apiKey", "subject": "ada", "scopes": ["daemon.write"] });
    let mut admin = daemon.admin().await;
    let ada = admin.call("auth.token.issue", issue).await?;
    let mut ada = daemon.socket(ada["token"].as_str().unwrap_or_default()).await;
    let token = daemon.token("daemon.write").await;
    let mut somebody = daemon.socket(&token).await;
    let private = json!({ "content": "I like my coffee black.", "scope": "user:ada", "type": "preference" });
    let id = store(&mut ada, private.clone()).await?["memoryId"].clone();
    assert_eq!(found(&mut ada, "coffee").await.len(), 1);
    assert!(found(&mut somebody, "coffee").await.is_empty());
    for operation in ["memory.get", "memory.delete"] {
        assert_eq!(somebody.call(operation, json!({ "memoryId": id })).await.unwrap_err().code, Code::NotFound);
    }
    assert_eq!(store(&mut somebody, private).await.unwrap_err().code, Code::Forbidden);
    assert_eq!(found(&mut admin, "coffee").await.len(), 1, "an administrator answers for all of it");
    Ok(())
}

#[tokio::test]
async fn what_takes_the_place_of_another_is_found_in_its_place() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).start().await?;
        let mut socket = daemon.admin().await;
        socket.subscribe(&["memory.*"]).await;
        let old = fact(&mut socket, "The port is 6432.").await;
        let new = json!({ "content": "The port is 7000.", "supersedes": old });
        let new = store(&mut socket, new.clone()).await.map(|memory| (memory, new))?;
        assert_eq!(found(&mut socket, "port").await, ["The port is 7000."]);
        let before = socket.call("memory.get", json!({ "memoryId": old })).await?;
        assert_eq!((&before["state"], &before["supersededBy"]), (&json!("superseded"), &new.0["memoryId"]));
        assert!(before["validTo"].is_string(), "{before}");
        socket.event_about("memory.superseded", &old).await;
        assert_eq!(store(&mut socket, new.1).await.unwrap_err().code, Code::Conflict);
        assert_eq!(found(&mut socket, "port").await.len(), 1, "what was refused is not remembered");
    }
    Ok(())
}

#[tokio::test]
async fn contradictions_stand_side_by_side_and_repetitions_do_not() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let mut socket = daemon.admin().await;
    let said = "The nightly build of the billing service runs on the machine called anvil";
    fact(&mut socket, said).await;
    fact(&mut socket, &format!("{said}.")).await;
    fact(&mut socket, &said.replace("runs", "never runs")).await;
    let answer = socket.call("memory.query", json!({ "query": "nightly build billing anvil" })).await?;
    assert_eq!(texts(&answer).len(), 2, "{answer}");
    let merged: usize = answer["memories"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|hit| hit["same"].as_array())
        .map(Vec::len)
        .sum();
    assert_eq!(merged, 1, "{answer}");
    Ok(())
}

#[tokio::test]
async fn with_an_embedder_meaning_counts_and_another_one_begins_anew() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let directory = tempfile::tempdir()?;
        let script = directory.path().join("script.json");
        std::fs::write(&script, json!({ "rules": [{ "say": [{ "text": "yes" }] }] }).to_string())?;
        let config = |dimensions: u32| {
            json!({
                "models": { "providers": { "stage": { "kind": "scripted", "script": script } }, "primary": "stage/m" },
                "memory": { "embedder": { "model": "stage/m", "dimensions": dimensions } },
            })
        };
        let first = daemon(backend).config(config(64)).start().await?;
        let mut socket = first.admin().await;
        fact(&mut socket, "The databases were migrated.").await;
        assert_eq!(embedded(&mut socket).await?, "stage/m/64");
        // The scripted embedder compares pieces of words: what has no word in common can be alike all the same.
        let question = json!({ "query": "migrating" });
        let answer = socket.call("memory.query", question.clone()).await?;
        let meaning = answer["memories"][0]["why"]["meaning"].as_f64();
        assert!(meaning.is_some_and(|meaning| meaning > 0.0), "{answer}");
        let second = first.kill().await.config(config(32)).start().await?;
        let mut socket = second.admin().await;
        assert_eq!(embedded(&mut socket).await?, "stage/m/32");
        let answer = socket.call("memory.query", question).await?;
        assert!(answer["memories"][0]["why"]["meaning"].as_f64().is_some_and(|meaning| meaning > 0.0), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn secrets_are_not_remembered_and_events_say_nothing_of_what_was() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["memory.*"]).await;
    let key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH";
    let memory = store(&mut socket, json!({ "content": format!("The key of the zeppelin is {key}.") })).await?;
    assert!(!memory.to_string().contains(key), "{memory}");
    let is_stored = |event: &Event| event.name == "memory.stored";
    let told = socket.events_until("the memory to be told of", is_stored).await;
    let told: Vec<String> = told.iter().map(|event| event.payload.to_string()).collect();
    assert!(told.iter().all(|payload| !payload.contains("zeppelin")), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn the_command_line_shows_why_each_was_found() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let stored =
        cli(&daemon, &["memory", "store", "The staging database has port 6432", "--topic", "ports"]).await?.ok();
    let id = stored.trim();
    let table = cli(&daemon, &["memory", "search", "staging port"]).await?.ok();
    assert!(table.contains("words 0.") && table.contains("stage") && table.contains(id), "{table}");
    let listed: Value = cli(&daemon, &["memory", "list", "--tier", "semantic", "--json"]).await?.json();
    assert_eq!(listed["items"][0]["topics"][0], "ports", "{listed}");
    cli(&daemon, &["memory", "delete", id]).await?.ok();
    cli(&daemon, &["memory", "get", id]).await?.failed(5, "no memory");
    let session = "session_00000000000070008000000000000001";
    let note = async |more: &[&str]| cli(&daemon, &[&["memory", "note", "--session", session], more].concat()).await;
    assert_eq!(note(&["first"]).await?.ok(), "first");
    assert_eq!(note(&["second"]).await?.ok(), "first\nsecond");
    assert_eq!(note(&["2", "--replace", "second"]).await?.ok(), "first\n2");
    assert_eq!(note(&["other", "--anew"]).await?.ok(), "other");
    note(&["x", "--replace", "nowhere"]).await?.failed(2, "stands there 0 times");
    let verified = cli(&daemon, &["memory", "verify"]).await?.ok();
    assert!(verified.contains("0 are missing"), "{verified}");
    let stats = cli(&daemon, &["memory", "stats"]).await?.ok();
    assert!(stats.contains("semantic"), "{stats}");
    Ok(())
}
