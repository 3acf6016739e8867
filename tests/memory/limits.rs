use orchestrator_rpc::Code;
use orchestrator_testkit::Event;
use serde_json::json;

use crate::{BACKENDS, daemon, fact, found, store};

#[tokio::test]
async fn a_full_tier_refuses_and_tells_and_takes_more_when_there_is_room() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).config(json!({ "memory": { "semanticBytesMax": 100 } })).start().await?;
        let mut socket = daemon.admin().await;
        socket.subscribe(&["memory.*"]).await;
        let first = fact(&mut socket, &"a".repeat(70)).await;
        fact(&mut socket, &"b".repeat(20)).await;
        let told = socket.events_until("the tier to fill", |event: &Event| event.name == "memory.filling").await;
        assert_eq!(told.last().map(|event| event.payload["bytes"].clone()), Some(json!(90)));
        let refused = store(&mut socket, json!({ "content": "c".repeat(20) })).await.unwrap_err();
        assert!(refused.message.contains("the semantic memory is full: 90 of 100 bytes"), "{refused:?}");
        socket.events_until("the refusal", |event: &Event| event.name == "memory.full").await;
        store(&mut socket, json!({ "content": "d".repeat(20) })).await.unwrap_err();
        let told = socket.call("event.list", json!({ "events": ["memory.full"] })).await?;
        assert_eq!(told["items"].as_array().map(Vec::len), Some(1), "it is told once: {told}");
        assert!(found(&mut socket, &"c".repeat(20)).await.is_empty());
        // Another tier has room of its own.
        let turn = json!({ "tier": "episodic", "type": "turn", "content": "c".repeat(20) });
        store(&mut socket, turn).await?;
        socket.call("memory.delete", json!({ "memoryId": first })).await?;
        fact(&mut socket, &"c".repeat(20)).await;
    }
    Ok(())
}

#[tokio::test]
async fn the_same_is_stored_where_there_is_no_limit_in_the_way() -> anyhow::Result<()> {
    let daemon = daemon(BACKENDS[0]).start().await?;
    let mut socket = daemon.admin().await;
    for letter in ["a", "b", "c"] {
        fact(&mut socket, &letter.repeat(70)).await;
    }
    let stats = socket.call("memory.stats", json!({})).await?;
    assert_eq!((&stats["tiers"][2]["bytes"], &stats["tiers"][2]["bytesMax"]), (&json!(210), &json!(2_000_000_000)));
    Ok(())
}

#[tokio::test]
async fn what_happened_long_ago_is_summed_up_and_can_still_be_found() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).config(json!({ "memory": { "episodicKeptMs": 1 } })).start().await?;
        let mut socket = daemon.admin().await;
        socket.subscribe(&["memory.*"]).await;
        let turn = json!({ "tier": "episodic", "type": "turn", "content": "Grace moved the zeppelin to hangar 18." });
        let turn = store(&mut socket, turn).await?["memoryId"].clone();
        let told = socket.events_until("the summary", |event: &Event| event.name == "memory.consolidated").await;
        let summary = told.last().map(|event| event.payload["memoryIds"][0].clone()).unwrap_or_default();
        let summary = socket.call("memory.get", json!({ "memoryId": summary })).await?;
        assert_eq!((&summary["tier"], &summary["covers"][0]), (&json!("semantic"), &turn), "{summary}");
        assert_eq!(socket.call("memory.get", json!({ "memoryId": turn })).await.unwrap_err().code, Code::NotFound);
        assert_eq!(found(&mut socket, "Where is the zeppelin?").await, ["Grace moved the zeppelin to hangar 18."]);
        let stats = socket.call("memory.stats", json!({})).await?;
        assert_eq!((&stats["tiers"][1]["count"], &stats["tiers"][2]["count"]), (&json!(0), &json!(1)), "{stats}");
    }
    Ok(())
}
