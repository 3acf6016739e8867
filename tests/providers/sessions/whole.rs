//! Sessions against aimock, which keeps the vendors' rules itself: a thought has to come back with its signature, for instance.

use anyhow::Context as _;
use orchestrator_testkit::Http;
use serde_json::{Value, json};

use super::says::{ALL, Vendor};
use super::{Ended, PROMPT, Stage, worked};
use crate::aimock::Aimock;

/// Looks, does something, and answers. `fault` is how its second answer is broken the first time.
pub(super) fn fixtures(fault: Value) -> Value {
    let call = |id: &str, name: &str, arguments: Value| {
        json!({ "reasoning": "I had better look.",
            "toolCalls": [{ "id": id, "name": name, "arguments": arguments.to_string() }] })
    };
    let effect = call("call_effect", "command_run", json!({ "argv": ["sh", "-c", "echo done >> effects.txt"] }));
    let at = |turn: u32| json!({ "userMessage": PROMPT, "turnIndex": turn });
    let mut fixtures = vec![
        json!({ "match": at(0), "response": call("call_read", "fs_read", json!({ "path": "notes.txt" })) }),
        json!({ "match": at(1), "response": effect }),
        json!({ "match": at(2), "response": { "reasoning": "That was it.", "content": "{\"lines\": 2}" } }),
    ];
    if let Value::Object(fault) = fault
        && !fault.is_empty()
    {
        let mut broken = json!({ "match": at(1), "response": effect });
        broken["match"]["sequenceIndex"] = json!(0);
        broken.as_object_mut().expect("an object").extend(fault);
        fixtures.insert(1, broken);
    }
    json!({ "fixtures": fixtures })
}

/// What aimock was asked, as it came, and how it answered.
async fn asked(vendor: &Aimock) -> anyhow::Result<Vec<(u64, Value)>> {
    let journal = Http::at(&vendor.url).get("/__aimock/journal").await.json();
    let entry = |entry: &Value| (entry["response"]["status"].as_u64().unwrap_or_default(), entry["body"].clone());
    Ok(journal.as_array().context("a list")?.iter().map(entry).collect())
}

async fn session(vendor: Vendor, fault: Value) -> anyhow::Result<(Stage, Ended, Vec<(u64, Value)>)> {
    let (stage, aimock) = (Stage::new()?, Aimock::start(&fixtures(fault)).await?);
    let limits = json!({ "models": { "limits": { "idleTimeoutMs": 2_000, "timeoutMs": 10_000 } } });
    let daemon = stage.with(vendor, &aimock.url, limits).await?;
    let ended = worked(&daemon).await?;
    let asked = asked(&aimock).await?;
    assert_eq!(ended.task.payload["result"], json!({ "lines": 2 }), "{vendor:?}: {:?} {asked:?}", ended.task);
    assert_eq!(stage.effects(), 1, "{vendor:?}");
    Ok((stage, ended, asked))
}

#[tokio::test]
async fn a_session_with_tools_keeps_the_rules_of_each_vendor() -> anyhow::Result<()> {
    for vendor in ALL {
        let (_, ended, asked) = session(vendor, json!({})).await?;
        let statuses: Vec<u64> = asked.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [200, 200, 200], "{vendor:?}");
        assert_eq!(ended.discarded, Vec::<String>::new(), "{vendor:?}");
        assert_eq!(asked[0].1["stream"] == true, vendor.streams(), "{vendor:?}");
    }
    Ok(())
}

/// One fault in the middle, of each kind.
async fn mended(vendor: Vendor) -> anyhow::Result<()> {
    let error =
        |status: u16| json!({ "response": { "error": { "message": "no", "type": "server_error" }, "status": status } });
    let limit = json!({ "response": { "error": { "message": "no", "type": "rate_limit_error" }, "status": 429, "retryAfter": 1 } });
    for fault in [limit, error(500), error(503)] {
        let (_, ended, asked) = session(vendor, fault.clone()).await?;
        assert_eq!((asked.len(), ended.discarded.len()), (4, 0), "{vendor:?} {fault}");
    }
    if vendor.streams() {
        let (_, _, asked) = session(vendor, json!({ "truncateAfterChunks": 3 })).await?;
        assert_eq!(asked.len(), 4, "{vendor:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_fake_of_openai_breaks_is_mended() -> anyhow::Result<()> {
    mended(Vendor::Chat).await?;
    mended(Vendor::Responses).await
}

#[tokio::test]
async fn what_the_fake_of_openai_breaks_is_mended_where_answers_come_whole() -> anyhow::Result<()> {
    mended(Vendor::ChatWhole).await?;
    mended(Vendor::ResponsesWhole).await
}

#[tokio::test]
async fn what_the_fake_of_anthropic_breaks_is_mended() -> anyhow::Result<()> {
    mended(Vendor::Anthropic).await
}
