use serde_json::json;

use super::asking::hello;
use super::upstream::{Answer, Then, Upstream};

/// It does not look like a key: it is hidden because it is known.
const KEY: &str = "hunter2-of-the-environment";
const NO_MODEL: &str = "no model configured";

/// Repeats the key, as some do.
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
    for vendor in ["ANTHROPIC", "OPENAI"] {
        let name = |end: &str| format!("{vendor}_{end}");
        let builder =
            || crate::builder().env(&name("BASE_URL"), &upstream.url).env(&name("MODEL"), "the-model-that-is-mine");
        for builder in
            [builder().env(&name("API_KEY"), KEY), builder().env(&name("API_KEY_FILE"), &file.to_string_lossy())]
        {
            let daemon = builder.start().await?;
            let mut admin = daemon.admin().await;
            let refusal = admin.call("model.chat", hello()).await.expect_err("there is no money");
            let seen = upstream.seen().pop().expect("it was asked");
            assert_eq!((seen.key.as_str(), &seen.body["model"]), (KEY, &json!("the-model-that-is-mine")));
            let configured = admin.call("config.get", json!({})).await?;
            let shown = format!("{refusal:?} {configured} {}", daemon.log());
            assert!(!shown.contains(KEY), "{shown}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn who_pays_and_what_is_asked_of_openai_unless_somebody_says() -> anyhow::Result<()> {
    let upstream = refusing().await?;
    let daemon = crate::builder()
        .env("OPENAI_API_KEY", KEY)
        .env("OPENAI_BASE_URL", &upstream.url)
        .env("OPENAI_ORG_ID", "org-of-the-environment")
        .start()
        .await?;
    daemon.admin().await.call("model.chat", hello()).await.expect_err("there is no money");
    let seen = upstream.seen().pop().expect("it was asked");
    assert_eq!((seen.organization.as_str(), &seen.body["model"]), ("org-of-the-environment", &json!("gpt-5-mini")));
    Ok(())
}

#[tokio::test]
async fn an_address_without_a_key_is_a_server_that_speaks_like_openai() -> anyhow::Result<()> {
    let upstream = refusing().await?;
    let builder = || crate::builder().env("OPENAI_BASE_URL", &upstream.url);
    let daemon = builder().env("OPENAI_MODEL", "local").start().await?;
    daemon.admin().await.call("model.chat", hello()).await.expect_err("there is no money");
    let seen = upstream.seen().pop().expect("it was asked");
    assert_eq!((seen.path.as_str(), seen.key.as_str()), ("/chat/completions", ""));
    assert_eq!(seen.body["model"], "local");
    // What it runs is not made up, but a client may know.
    let daemon = builder().start().await?;
    let mut admin = daemon.admin().await;
    let refusal = admin.call("model.chat", hello()).await.expect_err("there is no model");
    assert!(refusal.message.starts_with(NO_MODEL), "{refusal:?}");
    let mut request = hello();
    request["model"] = json!("openai/known");
    admin.call("model.chat", request).await.expect_err("there is no money");
    assert_eq!(upstream.seen().pop().expect("it was asked").body["model"], "known");
    Ok(())
}

#[tokio::test]
async fn an_address_without_a_key_is_somebody_elses_where_a_key_is_needed() -> anyhow::Result<()> {
    for (variable, url) in
        [("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"), ("OPENAI_BASE_URL", "https://api.openai.com/v1")]
    {
        let daemon = crate::builder().env(variable, url).start().await?;
        let refusal = daemon.admin().await.call("model.chat", hello()).await.expect_err("there is no model");
        assert!(refusal.message.starts_with(NO_MODEL), "{refusal:?}");
    }
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
        (json!({ "kind": "anthropic", "apiKey": "k", "openai": {} }), "openai: only for the kind `openai`"),
        (json!({ "kind": "openai" }), "models: providers.mine: apiKey"),
        (json!({ "kind": "openai", "apiKey": "k", "baseUrl": "ftp://a" }), "baseUrl"),
        (json!({ "kind": "openai", "apiKey": "k", "anthropic": {} }), "anthropic: only for the kind `anthropic`"),
        (json!({ "kind": "openai", "apiKey": "k", "openai": { "api": "assistants" } }), "assistants"),
    ] {
        let config = json!({ "models": { "providers": { "mine": provider } } });
        let ended = crate::builder().config(config).refused().await?;
        assert!(ended.output.contains(named), "{named}: {}", ended.output);
    }
    Ok(())
}
