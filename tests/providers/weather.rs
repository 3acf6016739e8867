//! A conversation with a tool: the same with every vendor.

use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

pub(crate) fn fixtures() -> Value {
    let call = json!({ "name": "weather", "arguments": "{\"city\":\"Bern\"}" });
    let asks = json!({ "reasoning": "I had better look.", "content": "Let me look.", "toolCalls": [call] });
    json!({ "fixtures": [
        { "match": { "userMessage": "weather in Bern", "hasToolResult": false }, "response": asks },
        { "match": { "userMessage": "weather in Bern", "hasToolResult": true }, "response": { "content": "It rains in Bern." } },
    ]})
}

/// Asks for the weather, answers the call, whose end the vendor calls `raw`, and gives the last answer.
pub(crate) async fn ask(socket: &mut Socket, raw: &str) -> anyhow::Result<Value> {
    converse(socket, raw, json!({})).await
}

/// The same of one model.
pub(crate) async fn ask_of(socket: &mut Socket, model: &str, raw: &str) -> anyhow::Result<Value> {
    converse(socket, raw, json!({ "model": model, "mayFallBack": false })).await
}

/// Hears the pieces of the same conversation on another connection.
pub(crate) async fn listen(daemon: &Daemon, raw: &str) -> anyhow::Result<()> {
    let mut listening = daemon.admin().await;
    listening.subscribe(&["stream.*"]).await;
    converse(&mut daemon.admin().await, raw, json!({ "streamId": "mine" })).await?;
    let (mut said, mut ends) = (String::new(), 0);
    while ends < 2 {
        let event = listening.next_event().await;
        said.push_str(event.payload["content"].as_str().unwrap_or_default());
        ends += usize::from(event.name == "stream.end");
    }
    assert!(said.contains("Let me look.") && said.ends_with("It rains in Bern."), "{said}");
    Ok(())
}

async fn converse(socket: &mut Socket, raw: &str, more: Value) -> anyhow::Result<Value> {
    let question = json!({ "role": "user", "content": "weather in Bern?" });
    let parameters = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let tools = json!([{ "name": "weather", "description": "The weather", "parameters": parameters }]);
    let mut request = json!({ "messages": [question], "tools": tools, "thinking": "low", "maxTokens": 8_000 });
    let request_fields = request.as_object_mut().expect("an object");
    request_fields.extend(more.as_object().cloned().unwrap_or_default());
    let answer = socket.call("model.chat", request.clone()).await?;
    let blocks = answer["message"]["content"].as_array().expect("content");
    let called = blocks.iter().find(|block| block["type"] == "toolCall").expect("a call");
    assert_eq!((&called["name"], &called["arguments"]), (&json!("weather"), &json!({ "city": "Bern" })));
    assert_eq!(answer["stop"], json!({ "reason": { "kind": "tool_use" }, "raw": raw }));
    assert_eq!((&blocks[0]["type"], &blocks[0]["text"]), (&json!("thinking"), &json!("I had better look.")));
    let result =
        json!({ "type": "toolResult", "callId": called["id"], "content": [{ "type": "text", "text": "rain" }] });
    let messages = request["messages"].as_array_mut().expect("messages");
    messages.extend([answer["message"].clone(), json!({ "role": "user", "content": [result] })]);
    Ok(socket.call("model.chat", request).await?)
}
