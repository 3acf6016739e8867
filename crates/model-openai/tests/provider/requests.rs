//! What is sent.

use std::sync::Arc;

use orchestrator_model_openai::{Api, Config, HardestEffort, MaxTokensName, OpenAi, Options, ReasoningSummary};
use orchestrator_models::{Effort, ErrorKind, Provider as _, Request, Thinking, Tool, ToolChoice};
use orchestrator_transcript::{
    Block, Content, ImageSource, Message, Origin, Role, ToolCall, ToolResult, ToolResultPart,
};
use orchestrator_vocab::{Label, SystemClock};
use serde_json::{Value, json};

use crate::answers::{chunk, completed, config, created, done, events};
use crate::upstream::Upstream;

async fn upstream() -> Upstream {
    Upstream::new(|asked| match asked.path.as_str() {
        "/v1/responses" => events([created(), completed()]),
        _ => events([chunk(json!({ "content": "x" }), Some("stop")), done()]),
    })
    .await
}

async fn sent(request: Request, config: Config) -> Value {
    let upstream = upstream().await;
    let config = Config { base_url: upstream.url.clone(), ..config };
    let provider = OpenAi::new("openai", config, Arc::new(SystemClock)).unwrap();
    provider.chat(request).await.unwrap();
    upstream.last().body
}

fn of(api: Api) -> Config {
    Config { options: Options { api: Some(api), ..Options::default() }, ..config() }
}

fn block(content: Content) -> Block {
    Block::new(Label::USER, content)
}

fn picture() -> ImageSource {
    ImageSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() }
}

/// A question, a call with a thought, its result with a picture, and a last word.
fn conversation() -> Request {
    let question = Content::Image { source: ImageSource::Url { url: "https://example.com/a.png".into() } };
    let user =
        Message { role: Role::User, content: vec![Block::text(Label::USER, "Look."), block(question)], origin: None };
    let called = Message {
        role: Role::Assistant,
        content: vec![
            block(Content::Thinking { text: "Hm.".into(), signature: Some("sig".into()) }),
            Block::text(Label::USER, "Reading."),
            block(Content::ToolCall(ToolCall::parse("c", "read", r#"{"path":"a"}"#))),
        ],
        origin: Some(Origin { provider: "openai".into(), model: "m".into() }),
    };
    let content = vec![ToolResultPart::Text { text: "no file".into() }, ToolResultPart::Image { source: picture() }];
    let result = ToolResult { call_id: "c".into(), content, is_error: true };
    let answered = Message { role: Role::User, content: vec![block(Content::ToolResult(result))], origin: None };
    let parameters = json!({ "type": "object" });
    Request {
        system: vec![Block::text(Label::USER, "Be kind."), Block::text(Label::USER, "Be brief.")],
        tools: vec![Tool { name: "read".into(), description: "Reads".into(), parameters }],
        tool_choice: ToolChoice::Tool("read".into()),
        max_tokens: Some(99),
        temperature: Some(0.5),
        ..Request::new("gpt-4o", vec![user, called, answered])
    }
}

#[tokio::test]
async fn chat_completions_say_everything() {
    let body = sent(Request { stop_sequences: vec!["END".into()], ..conversation() }, of(Api::Chat)).await;
    let image = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    let words = |text: &str| json!({ "type": "text", "text": text });
    assert_eq!(
        body,
        json!({
            "model": "gpt-4o",
            "messages": [
                { "role": "system", "content": "Be kind.\n\nBe brief." },
                { "role": "user", "content": [words("Look."), image("https://example.com/a.png")] },
                { "role": "assistant", "content": "Reading.", "reasoning_content": "Hm.", "tool_calls": [
                    { "id": "c", "type": "function", "function": { "name": "read", "arguments": "{\"path\":\"a\"}" } }] },
                { "role": "tool", "tool_call_id": "c", "content": "Error: no file" },
                { "role": "user", "content": [
                    words("Pictures in the result of the tool call c:"), image("data:image/png;base64,AAAA")] },
            ],
            "tools": [{ "type": "function",
                "function": { "name": "read", "description": "Reads", "parameters": { "type": "object" } } }],
            "tool_choice": { "type": "function", "function": { "name": "read" } },
            "max_tokens": 99, "temperature": 0.5, "stop": ["END"],
            "stream": true, "stream_options": { "include_usage": true },
        })
    );
}

#[tokio::test]
async fn responses_say_everything() {
    let body = sent(conversation(), of(Api::Responses)).await;
    let image = |url: &str| json!({ "type": "input_image", "detail": "auto", "image_url": url });
    let words = |text: &str| json!({ "type": "input_text", "text": text });
    assert_eq!(
        body,
        json!({
            "model": "gpt-4o",
            "instructions": "Be kind.\n\nBe brief.",
            "input": [
                { "type": "message", "role": "user", "content": [words("Look."), image("https://example.com/a.png")] },
                { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm." }], "encrypted_content": "sig" },
                { "type": "message", "role": "assistant", "content": "Reading." },
                { "type": "function_call", "call_id": "c", "name": "read", "arguments": "{\"path\":\"a\"}" },
                { "type": "function_call_output", "call_id": "c", "output": [
                    words("Error: "), words("no file"), image("data:image/png;base64,AAAA")] },
            ],
            "tools": [{ "type": "function", "name": "read", "description": "Reads", "strict": false,
                "parameters": { "type": "object" } }],
            "tool_choice": { "type": "function", "name": "read" },
            "max_output_tokens": 99, "temperature": 0.5, "store": false, "stream": true,
        })
    );
}

#[tokio::test]
async fn models_that_reason_are_asked_for_it_and_spared_the_temperature() {
    let request = |thinking| Request { model: "gpt-5-mini".into(), thinking, ..conversation() };
    let speaking = |api| {
        let options = Options {
            api: Some(api),
            reasoning_summary: Some(ReasoningSummary::Auto),
            max_tokens_name: Some(MaxTokensName::MaxCompletionTokens),
            hardest_effort: HardestEffort::Xhigh,
            ..Options::default()
        };
        Config { options, ..config() }
    };
    let body = sent(request(Some(Thinking::Effort(Effort::Max))), speaking(Api::Chat)).await;
    assert_eq!((&body["reasoning_effort"], &body["max_completion_tokens"]), (&json!("xhigh"), &json!(99)));
    assert_eq!((body.get("temperature"), body.get("max_tokens")), (None, None));

    let config = speaking(Api::Responses);
    let body = sent(request(Some(Thinking::Budget { tokens: 5_000 })), config.clone()).await;
    assert_eq!(body["reasoning"], json!({ "effort": "medium", "summary": "auto" }));
    assert_eq!((&body["include"], body.get("temperature")), (&json!(["reasoning.encrypted_content"]), None));
    let body = sent(request(Some(Thinking::Off)), config).await;
    assert_eq!((&body["reasoning"]["effort"], &body["temperature"]), (&json!("none"), &json!(0.5)));
}

#[tokio::test]
async fn thoughts_of_chat_completions_go_back_for_one_question_only() {
    let mut request = conversation();
    request.messages.push(Message::user(Label::USER, "And now?"));
    let body = sent(request, of(Api::Chat)).await;
    assert_eq!(body["messages"][2].get("reasoning_content"), None);
}

#[tokio::test]
async fn what_only_another_provider_can_read_is_left_out() {
    for api in [Api::Chat, Api::Responses] {
        let mut request = conversation();
        let began = &mut request.messages[1];
        began.origin = Some(Origin { provider: "claude".into(), model: "m".into() });
        began.content.push(block(Content::RedactedThinking { data: "hidden".into() }));
        began.content.push(block(Content::Opaque { provider: "claude".into(), value: json!({ "type": "theirs" }) }));
        let told = sent(request, of(api)).await.to_string();
        assert!(told.contains("Reading.") && told.contains("no file"), "{told}");
        assert!(!["Hm.", "\"sig\"", "hidden", "theirs"].iter().any(|part| told.contains(part)), "{told}");
    }
}

#[tokio::test]
async fn choices_of_tools_have_their_words() {
    for (choice, word) in [(ToolChoice::Any, json!("required")), (ToolChoice::None, json!("none"))] {
        for api in [Api::Chat, Api::Responses] {
            let body = sent(Request { tool_choice: choice.clone(), ..conversation() }, of(api)).await;
            assert_eq!(body["tool_choice"], word);
        }
    }
    let body = sent(Request { tool_choice: ToolChoice::Auto, ..conversation() }, of(Api::Chat)).await;
    assert_eq!(body.get("tool_choice"), None);
}

#[tokio::test]
async fn without_streaming_nothing_is_asked_of_it() {
    let body =
        sent(conversation(), Config { options: Options { stream: false, ..of(Api::Chat).options }, ..config() }).await;
    assert_eq!((&body["stream"], body.get("stream_options")), (&json!(false), None));
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_before_it_is_sent() {
    let upstream = upstream().await;
    let refused = async |api, request: Request| {
        let config = Config { base_url: upstream.url.clone(), ..of(api) };
        let provider = OpenAi::new("openai", config, Arc::new(SystemClock)).unwrap();
        assert_eq!(provider.chat(request).await.unwrap_err().kind, ErrorKind::InvalidRequest);
    };
    refused(Api::Responses, Request { stop_sequences: vec!["END".into()], ..conversation() }).await;
    refused(Api::Chat, Request { stop_sequences: vec!["x".into(); 5], ..conversation() }).await;
    refused(Api::Chat, Request { system: vec![block(Content::Image { source: picture() })], ..conversation() }).await;
    let opaque = Content::Opaque { provider: "openai".into(), value: json!({}) };
    let turn = Message { role: Role::Assistant, content: vec![block(opaque)], origin: None };
    refused(Api::Chat, Request::new("m", vec![turn])).await;
    let redacted = block(Content::RedactedThinking { data: "x".into() });
    let turn = Message { role: Role::Assistant, content: vec![redacted], origin: None };
    refused(Api::Responses, Request::new("m", vec![turn])).await;
    assert!(upstream.asked().is_empty());
}
