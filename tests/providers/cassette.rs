//! Exchanges recorded, and played back where nobody answers.

use orchestrator_rpc::Code;
use orchestrator_testkit::Daemon;
use serde_json::{Value, json};

use super::aimock::Aimock;
use super::asking::{hello, text};
use super::weather;

const KEY: &str = "sk-of-a-test-that-records";

fn models(url: &str, mode: Option<&str>, directory: &std::path::Path) -> Value {
    let mut models = json!({ "providers": {
        "claude": { "kind": "anthropic", "apiKey": KEY, "baseUrl": url, "model": "claude-test" },
        "gpt": { "kind": "openai", "apiKey": KEY, "baseUrl": format!("{url}/v1"), "model": "gpt-test" },
    }});
    if let Some(mode) = mode {
        models["cassette"] = json!({ "mode": mode, "directory": directory });
    }
    models
}

async fn daemon(models: Value) -> anyhow::Result<Daemon> {
    crate::builder().without_rate_limits().config(json!({ "models": models })).start().await
}

/// A conversation with a tool, with each of the vendors, and the answers as they came.
async fn converse(daemon: &Daemon) -> anyhow::Result<Vec<Value>> {
    let mut socket = daemon.admin().await;
    let mut answers = Vec::new();
    for (model, raw) in [("claude/claude-test", "tool_use"), ("gpt/gpt-test", "tool_calls")] {
        let mut answer = weather::ask_of(&mut socket, model, raw).await?;
        answer.as_object_mut().expect("an answer").remove("traceId");
        answers.push(answer);
    }
    Ok(answers)
}

#[tokio::test]
async fn a_conversation_is_played_back_exactly_and_offline() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let vendor = Aimock::start(&weather::fixtures()).await?;
    let recording = daemon(models(&vendor.url, Some("record"), folder.path())).await?;
    let recorded = converse(&recording).await?;
    recording.terminate().await;
    let url = vendor.url.clone();
    drop(vendor);
    for provider in ["claude", "gpt"] {
        let written = std::fs::read_to_string(folder.path().join(format!("{provider}.jsonl")))?;
        assert!(written.lines().count() == 3 && !written.contains(KEY), "{written}");
    }

    // Without the cassette there is nobody to ask.
    let alone = daemon(models(&url, None, folder.path())).await?;
    converse(&alone).await.expect_err("the vendor is gone");

    let replaying = daemon(models(&url, Some("replay"), folder.path())).await?;
    assert_eq!(converse(&replaying).await?, recorded);
    assert!(text(&recorded[0]) == "It rains in Bern.", "{}", recorded[0]);

    let refusal = replaying.admin().await.call("model.chat", hello()).await.expect_err("it was not recorded");
    let kind = refusal.data.as_ref().map(|data| data["kind"].clone());
    assert_eq!((refusal.code, kind), (Code::Conflict, Some(json!("not_recorded"))));
    assert!(refusal.message.contains("differs least"), "{}", refusal.message);
    Ok(())
}

#[tokio::test]
async fn where_conversations_are_written_is_not_set_while_the_daemon_runs() -> anyhow::Result<()> {
    let daemon = crate::builder().start().await?;
    let values = json!({ "models.cassette.mode": "record", "models.cassette.directory": "/tmp/elsewhere" });
    let refused =
        daemon.admin().await.call("config.set", json!({ "values": values })).await.expect_err("not at run time");
    assert!(refused.message.contains("models.cassette"), "{refused:?}");
    let missing = json!({ "models": models("http://127.0.0.1:9", Some("replay"), std::path::Path::new("/nowhere")) });
    let ended = crate::builder().config(missing).refused().await?;
    assert!(ended.output.contains("claude.jsonl"), "{}", ended.output);
    Ok(())
}
