use orchestrator_rpc::Code;
use orchestrator_testkit::Daemon;
use serde_json::json;

use super::{ask, daemon, hello, text, well};

#[tokio::test]
async fn without_a_model_the_refusal_says_what_to_set() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let refusal = ask(&mut daemon.admin().await).await.expect_err("there is no model");
    assert_eq!(refusal.code, Code::Conflict);
    assert_eq!(refusal.message, "no model configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or models.*");
    Ok(())
}

#[tokio::test]
async fn a_model_answers_with_calls_usage_and_labels() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), &[("obedient", json!({ "obedient": true }))], json!({})).await?;
    let mut socket = daemon.admin().await;
    let operator = json!({ "integrity": "operator", "confidentiality": "secret" });
    let answer = socket
        .call(
            "model.chat",
            json!({
                "messages": [{ "role": "user", "content": [
                    { "type": "text", "text": "@call read {\"path\": \"a.txt\"}", "label": operator },
                ] }],
                "tools": [{ "name": "read", "description": "Reads a file", "parameters": { "type": "object" } }],
            }),
        )
        .await?;
    let block = &answer["message"]["content"][0];
    assert_eq!((block["type"].as_str(), block["name"].as_str()), (Some("toolCall"), Some("read")));
    assert_eq!(block["arguments"], json!({ "path": "a.txt" }));
    // Nobody speaks as the operator by saying so; what is secret stays secret.
    assert_eq!(block["label"], json!({ "integrity": "user", "confidentiality": "secret" }));
    assert_eq!(answer["stop"]["reason"]["kind"], "tool_use");
    assert!(answer["usage"]["input"].as_u64() > Some(0) && answer["usage"]["output"].as_u64() > Some(0), "{answer}");
    // The answer goes back as it came, with the result of the tool.
    let result =
        json!({ "type": "toolResult", "callId": block["id"], "content": [{ "type": "text", "text": "words" }] });
    let again = socket
        .call(
            "model.chat",
            json!({ "messages": [
            { "role": "user", "content": "read it" },
            answer["message"],
            { "role": "user", "content": [result] },
        ] }),
        )
        .await?;
    assert_eq!(text(&again), "words");
    Ok(())
}

#[tokio::test]
async fn wrong_requests_are_refused_by_name() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), &[("a", well("a"))], json!({})).await?;
    let mut socket = daemon.admin().await;
    for (wrong, code, field) in [
        (json!({ "messages": [] }), Code::InvalidParams, "messages"),
        (json!({ "model": "", "messages": hello()["messages"] }), Code::NotFound, "model"),
        (json!({ "temperature": 7, "messages": hello()["messages"] }), Code::InvalidParams, "temperature"),
        (json!({ "streamId": "", "messages": hello()["messages"] }), Code::InvalidParams, "streamId"),
        (
            json!({ "tools": [{ "name": "a b", "description": "", "parameters": {} }], "messages": hello()["messages"] }),
            Code::InvalidParams,
            "tools[0].name",
        ),
    ] {
        let refusal = socket.call("model.chat", wrong.clone()).await.expect_err("it is wrong");
        assert_eq!((refusal.code, refusal.field.as_deref()), (code, Some(field)), "{wrong}");
    }
    let reader = daemon.http().with_token(&daemon.token("daemon.read").await);
    assert_eq!(reader.call("model.chat", hello()).await.expect_err("reading is not asking").code, Code::Forbidden);
    reader.call("model.list", json!({})).await?;
    Ok(())
}
