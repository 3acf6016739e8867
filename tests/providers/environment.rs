use orchestrator_testkit::Daemon;
use serde_json::json;

use super::hello;
use super::upstream::{Answer, Then, Upstream};

const KEY: &str = "sk-ant-api03-of-the-environment";

async fn refusing() -> anyhow::Result<Upstream> {
    let body =
        json!({ "type": "error", "error": { "type": "billing_error", "message": format!("{KEY} has no money") } });
    let answer = Answer { status: 402, headers: vec![], body: body.to_string(), then: Then::Ends };
    Upstream::start(vec![answer]).await
}

#[tokio::test]
async fn a_key_in_the_environment_is_a_provider() -> anyhow::Result<()> {
    let upstream = refusing().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("key");
    std::fs::write(&file, format!("{KEY}\n"))?;
    let builder = || Daemon::builder().env("ANTHROPIC_BASE_URL", &upstream.url).env("ANTHROPIC_MODEL", "claude-mine");
    for builder in
        [builder().env("ANTHROPIC_API_KEY", KEY), builder().env("ANTHROPIC_API_KEY_FILE", &file.to_string_lossy())]
    {
        let daemon = builder.start().await?;
        let mut admin = daemon.admin().await;
        let refusal = admin.call("model.chat", hello()).await.expect_err("there is no money");
        let seen = upstream.seen().pop().expect("it was asked");
        assert_eq!((seen.key.as_str(), &seen.body["model"]), (KEY, &json!("claude-mine")));
        let configured = admin.call("config.get", json!({})).await?;
        let shown = format!("{refusal:?} {configured} {}", daemon.log());
        assert!(!shown.contains(KEY), "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn an_address_without_a_key_is_somebody_elses() -> anyhow::Result<()> {
    let daemon = Daemon::builder().env("ANTHROPIC_BASE_URL", "http://127.0.0.1:9").start().await?;
    let refusal = daemon.admin().await.call("model.chat", hello()).await.expect_err("there is no model");
    assert!(refusal.message.starts_with("no model configured"), "{refusal:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named_at_the_start() -> anyhow::Result<()> {
    for (provider, named) in [
        (json!({ "kind": "anthropic" }), "models: providers.mine: apiKey is missing"),
        (json!({ "apiKey": "k" }), "kind: expected"),
        (json!({ "kind": "anthropic", "apiKey": "k", "baseUrl": "ftp://a" }), "baseUrl must begin with http"),
        (json!({ "kind": "anthropic", "apiKey": "k", "script": "a.yaml" }), "script: only for the kind `scripted`"),
        (json!({ "kind": "anthropic", "apiKey": "k", "anthropic": { "cache": { "ttl": "2h" } } }), "ttl"),
    ] {
        let config = json!({ "models": { "providers": { "mine": provider } } });
        let ended = Daemon::builder().config(config).refused().await?;
        assert!(ended.output.contains(named), "{named}: {}", ended.output);
    }
    Ok(())
}
