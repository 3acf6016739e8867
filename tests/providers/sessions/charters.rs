//! What a charter says of requests, as the vendor sees it.

use serde_json::{Value, json};

use super::says::{Says, Vendor};
use super::{Stage, worked};
use crate::upstream::Upstream;

/// The temperature that the vendor is asked for by an agent with this front matter.
async fn temperature(front: &str) -> anyhow::Result<Value> {
    let stage = Stage::new()?;
    let agent = format!("---\n{front}\n---\nYou do as you are told.\n");
    std::fs::write(stage.0.path().join("agents/coder.md"), agent)?;
    let charters = stage.0.path().join("charters");
    std::fs::create_dir(&charters)?;
    std::fs::write(charters.join("cool.yaml"), "operationalSettings: { temperature: 0.25 }\n")?;
    let upstream = Upstream::start(vec![Vendor::Chat.says(&Says::Text("done"))]).await?;
    let daemon = stage.with(Vendor::Chat, &upstream.url, json!({ "charters": { "directory": charters } })).await?;
    let ended = worked(&daemon).await?;
    assert_eq!(ended.task.name, "task.completed", "{:?}", ended.task);
    Ok(upstream.seen()[0].body["temperature"].clone())
}

#[tokio::test]
async fn a_charter_s_temperature_is_that_of_agents_that_say_none() -> anyhow::Result<()> {
    assert_eq!(temperature("charter: cool").await?, 0.25);
    assert_eq!(temperature("charter: cool\ntemperature: 0.5").await?, 0.5);
    assert_eq!(temperature("name: coder").await?, Value::Null);
    Ok(())
}
