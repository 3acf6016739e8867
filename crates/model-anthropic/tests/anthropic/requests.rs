//! What is sent.

use orchestrator_model_anthropic::{Cache, Config, Display, Options, ThinkingForm, Ttl};
use orchestrator_models::{Effort, ErrorKind, Provider as _, Request, Thinking, Tool, ToolChoice};
use orchestrator_transcript::{
    Block, Content, ImageSource, Message, Origin, Role, ToolCall, ToolResult, ToolResultPart,
};
use orchestrator_vocab::Label;
use serde_json::{Value, json};

use crate::answers::{events, start, stopped, text};
use crate::upstream::{Answer, Seen, Upstream};

fn options() -> Options {
    let cache = Cache { tools: false, system: false, conversation: false, ttl: Ttl::default() };
    Options { cache, ..Options::default() }
}

fn with(options: Options) -> Config {
    Config { options, ..crate::config("") }
}

fn uncached() -> Config {
    with(options())
}

fn answer() -> Answer {
    Answer::events(events(&[vec![start()], text(0, &["hi"]), stopped("end_turn")].concat()))
}

async fn seen(config: Config, request: Request) -> Result<Seen, ErrorKind> {
    let upstream = Upstream::start(|_| answer()).await;
    let provider = crate::provider(Config { base_url: upstream.url.clone(), ..config });
    provider.chat(request).await.map_err(|error| error.kind)?.collect(Label::USER).await.unwrap();
    Ok(upstream.seen().remove(0))
}

async fn sent(config: Config, request: Request) -> Value {
    seen(config, request).await.unwrap().body
}

fn ask(model: &str) -> Request {
    Request::new(model, vec![Message::user(Label::USER, "hello")])
}

fn turn(role: Role, contents: Vec<Content>) -> Message {
    let origin = Origin { provider: "claude".into(), model: "claude-sonnet-5".into() };
    let content = contents.into_iter().map(|content| Block::new(Label::USER, content)).collect();
    Message { role, content, origin: (role == Role::Assistant).then_some(origin) }
}

fn words(text: &str) -> Content {
    Content::Text { text: text.into() }
}

fn picture() -> ImageSource {
    ImageSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() }
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: "Reads".into(), parameters: json!({ "type": "object" }) }
}

#[tokio::test]
async fn a_plain_question_is_plain() {
    let body = sent(uncached(), ask("claude-sonnet-5")).await;
    let messages = json!([{ "role": "user", "content": [{ "type": "text", "text": "hello" }] }]);
    let expected = json!({ "model": "claude-sonnet-5", "max_tokens": 128_000, "stream": true, "messages": messages });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn headers_say_who_and_in_which_version() {
    let config = with(Options { betas: vec!["one".into(), "two".into()], ..options() });
    let seen = seen(config, ask("claude-sonnet-5")).await.unwrap();
    assert_eq!(seen.path, "/v1/messages");
    for (name, value) in [
        ("x-api-key", crate::KEY),
        ("anthropic-version", "2026-10-21"),
        ("anthropic-beta", "one,two"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(seen.headers[name], value);
    }
}

#[tokio::test]
async fn a_conversation_with_tools_goes_back_as_it_was() {
    let thinking = Content::Thinking { text: "hm".into(), signature: Some("sig".into()) };
    let call = ToolCall { id: "c1".into(), name: "read".into(), arguments: json!({ "path": "a" }), malformed: None };
    let cut = ToolCall { id: "c2".into(), name: "read".into(), arguments: Value::Null, malformed: Some("{\"p".into()) };
    let opaque = json!({ "type": "server_tool_use", "id": "s1", "name": "web_search", "input": {} });
    let own = Content::Opaque { provider: "claude".into(), value: opaque.clone() };
    let foreign = Content::Opaque { provider: "other".into(), value: json!({ "type": "x" }) };
    let hidden = Content::RedactedThinking { data: "sealed".into() };
    let said = vec![thinking, hidden, own, foreign, words(""), Content::ToolCall(call), Content::ToolCall(cut)];
    let seen = ToolResult {
        call_id: "c1".into(),
        content: vec![ToolResultPart::Text { text: "text".into() }, ToolResultPart::Image { source: picture() }],
        is_error: false,
    };
    let failed = ToolResult { is_error: true, ..ToolResult::text("c2", "no JSON") };
    let told = vec![words("and now?"), Content::ToolResult(seen), Content::ToolResult(failed)];
    let messages = vec![turn(Role::User, vec![words("go")]), turn(Role::Assistant, said), turn(Role::User, told)];
    let body = sent(uncached(), Request::new("claude-sonnet-5", messages)).await;
    let image = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } });
    let text = |text: &str| json!({ "type": "text", "text": text });
    let said = json!([
        { "type": "thinking", "thinking": "hm", "signature": "sig" },
        { "type": "redacted_thinking", "data": "sealed" },
        opaque,
        { "type": "tool_use", "id": "c1", "name": "read", "input": { "path": "a" } },
        { "type": "tool_use", "id": "c2", "name": "read", "input": { "malformed": "{\"p" } },
    ]);
    assert_eq!(body["messages"][1], json!({ "role": "assistant", "content": said }));
    let told = json!([
        { "type": "tool_result", "tool_use_id": "c1", "content": [text("text"), image], "is_error": false },
        { "type": "tool_result", "tool_use_id": "c2", "content": [text("no JSON")], "is_error": true },
        text("and now?"),
    ]);
    assert_eq!(body["messages"][2], json!({ "role": "user", "content": told }));
}

#[tokio::test]
async fn what_another_thought_is_left_out() {
    let thinking = || Content::Thinking { text: "hm".into(), signature: Some("sig".into()) };
    let blocks = async |model: &str, provider: &str| {
        let mut message = turn(Role::Assistant, vec![thinking(), words("yes")]);
        message.origin = Some(Origin { provider: provider.into(), model: "claude-opus-4-6-20260205".into() });
        let body = sent(uncached(), Request::new(model, vec![message, Message::user(Label::USER, "so?")])).await;
        body["messages"][0]["content"].as_array().unwrap().len()
    };
    assert_eq!(blocks("claude-opus-4-6", "claude").await, 2, "its own, under a shorter name");
    assert_eq!(blocks("claude-sonnet-4-5", "claude").await, 2, "a generation that takes it");
    assert_eq!(blocks("claude-opus-5", "claude").await, 1, "a generation that refuses it");
    assert_eq!(blocks("claude-opus-4-6", "other").await, 1, "another provider");
}

#[tokio::test]
async fn marks_keep_what_comes_before_them() {
    let messages = ["one", "two", "three", "four", "five"].iter().zip([Role::User, Role::Assistant].iter().cycle());
    let messages = messages.map(|(text, role)| turn(*role, vec![words(text)])).collect();
    let mut request = Request::new("claude-sonnet-5", messages);
    request.tools = vec![tool("read"), tool("write")];
    request.system = vec![Block::text(Label::USER, "a"), Block::text(Label::USER, "b")];
    let cache = Cache { ttl: Ttl::OneHour, ..Cache::default() };
    let body = sent(with(Options { cache, ..options() }), request.clone()).await;
    let mark = json!({ "type": "ephemeral", "ttl": "1h" });
    for (place, is_marked) in [
        ("/tools/0", false),
        ("/tools/1", true),
        ("/system/0", false),
        ("/system/1", true),
        ("/messages/0/content/0", false),
        ("/messages/1/content/0", false),
        ("/messages/2/content/0", true),
        ("/messages/3/content/0", false),
        ("/messages/4/content/0", true),
    ] {
        let found = body.pointer(place).unwrap().get("cache_control");
        assert_eq!(found, is_marked.then_some(&mark), "{place}");
    }
    let body = sent(uncached(), request).await;
    assert!(!body.to_string().contains("cache_control"));
}

#[tokio::test]
async fn thinking_is_asked_for_as_the_model_takes_it() {
    let asked = async |model: &str, thinking: Thinking, max_tokens: Option<u32>| {
        let request = Request { thinking: Some(thinking), max_tokens, ..ask(model) };
        let body = seen(uncached(), request).await?.body;
        Ok::<_, ErrorKind>((body["thinking"].clone(), body["output_config"]["effort"].clone()))
    };
    let budget = |tokens: u32| json!({ "type": "enabled", "budget_tokens": tokens });
    let adaptive = json!({ "type": "adaptive" });
    let high = Thinking::Effort(Effort::High);
    let tokens = |tokens: u32| Thinking::Budget { tokens };
    let told = |thinking: Value, effort: Value| Ok((thinking, effort));
    let refused = Err(ErrorKind::InvalidRequest);
    assert_eq!(asked("claude-sonnet-5", high, None).await, told(adaptive.clone(), json!("high")));
    assert_eq!(asked("claude-sonnet-5", tokens(4_096), None).await, told(adaptive, json!("low")));
    assert_eq!(asked("claude-opus-4-6", tokens(4_096), None).await, told(budget(4_096), Value::Null));
    assert_eq!(asked("claude-haiku-4-5", high, None).await, told(budget(24_576), Value::Null));
    assert_eq!(asked("claude-haiku-4-5", high, Some(4_000)).await, told(budget(3_000), Value::Null));
    assert_eq!(asked("claude-haiku-4-5", high, Some(1_200)).await, refused);
    assert_eq!(asked("claude-haiku-4-5", tokens(8_000), Some(8_000)).await, refused);
    assert_eq!(asked("claude-3-haiku-20240307", high, None).await, refused);
    let off = |kind: &str| told(json!({ "type": kind }), Value::Null);
    assert_eq!(asked("claude-sonnet-5", Thinking::Off, None).await, off("disabled"));
    assert_eq!(asked("claude-sonnet-5-5", Thinking::Off, None).await, off("between_tools"));
    assert_eq!(asked("claude-opus-5-5", Thinking::Off, None).await, refused);
}

#[tokio::test]
async fn with_a_budget_it_does_not_think_on_after_a_call_that_no_thought_of_its_own_began() {
    let call = || {
        Content::ToolCall(ToolCall { id: "call_1".into(), name: "read".into(), arguments: json!({}), malformed: None })
    };
    let thought = || Content::Thinking { text: "hm".into(), signature: Some("sig".into()) };
    let result = || {
        let content = vec![ToolResultPart::Text { text: "it says".into() }];
        Content::ToolResult(ToolResult { call_id: "call_1".into(), content, is_error: false })
    };
    let foreign = || Message {
        origin: Some(Origin { provider: "other".into(), model: "gpt".into() }),
        ..turn(Role::Assistant, vec![thought(), call()])
    };
    let own = || Message {
        origin: Some(Origin { provider: "claude".into(), model: "claude-haiku-4-5".into() }),
        ..turn(Role::Assistant, vec![thought(), call()])
    };
    let asked = async |model: &str, more: Vec<Message>| {
        let messages = [vec![Message::user(Label::USER, "look")], more].concat();
        let thinking = Some(Thinking::Effort(Effort::Low));
        sent(uncached(), Request { thinking, ..Request::new(model, messages) }).await["thinking"]["type"].clone()
    };
    let told = || turn(Role::User, vec![result()]);
    let (enabled, asks) = (json!("enabled"), || Message::user(Label::USER, "and now?"));
    assert_eq!(asked("claude-haiku-4-5", vec![own(), told()]).await, enabled);
    assert_eq!(asked("claude-haiku-4-5", vec![foreign(), told()]).await, Value::Null);
    assert_eq!(asked("claude-haiku-4-5", vec![foreign(), told(), own(), told()]).await, Value::Null);
    assert_eq!(asked("claude-haiku-4-5", vec![foreign(), told(), asks(), own(), told()]).await, enabled);
    // An effort asks nothing of the turns before.
    assert_eq!(asked("claude-sonnet-5", vec![foreign(), told()]).await, json!("adaptive"));
}

#[tokio::test]
async fn thinking_is_shown_as_configured() {
    let config = with(Options { thinking_display: Some(Display::Summarized), ..options() });
    let shown = json!({ "type": "adaptive", "display": "summarized" });
    assert_eq!(sent(config.clone(), ask("claude-sonnet-5")).await["thinking"], shown);
    assert_eq!(sent(config, ask("claude-opus-4-8")).await.get("thinking"), None, "it does not think unasked");
}

#[tokio::test]
async fn an_operator_knows_better_than_the_name() {
    let config = with(Options { thinking: Some(ThinkingForm::Adaptive), max_tokens: Some(9_000), ..options() });
    let request = Request { thinking: Some(Thinking::Effort(Effort::Low)), ..ask("house-model") };
    let body = sent(config, request).await;
    assert_eq!((&body["thinking"], &body["max_tokens"]), (&json!({ "type": "adaptive" }), &json!(9_000)));
}

#[tokio::test]
async fn a_temperature_is_sent_where_it_is_taken() {
    let temperature = async |model: &str, version: &str| {
        let request = Request { temperature: Some(0.5), ..ask(model) };
        let config = with(Options { api_version: version.into(), ..options() });
        sent(config, request).await.get("temperature").cloned()
    };
    assert_eq!(temperature("claude-haiku-4-5", "2023-06-01").await, Some(json!(0.5)));
    assert_eq!(temperature("claude-haiku-4-5", "2026-10-21").await, None);
    assert_eq!(temperature("claude-sonnet-5", "2023-06-01").await, None);
}

#[tokio::test]
async fn tools_are_chosen_as_asked() {
    let choice = async |tool_choice: ToolChoice, tools: Vec<Tool>| {
        let request = Request { tools, tool_choice, stop_sequences: vec!["END".into()], ..ask("claude-sonnet-5") };
        let body = sent(uncached(), request).await;
        assert_eq!(body["stop_sequences"], json!(["END"]));
        body.get("tool_choice").cloned()
    };
    let tools = || vec![tool("read")];
    assert_eq!(choice(ToolChoice::Auto, tools()).await, None);
    assert_eq!(choice(ToolChoice::Any, tools()).await, Some(json!({ "type": "any" })));
    let read = json!({ "type": "tool", "name": "read" });
    assert_eq!(choice(ToolChoice::Tool("read".into()), tools()).await, Some(read));
    assert_eq!(choice(ToolChoice::None, tools()).await, Some(json!({ "type": "none" })));
    assert_eq!(choice(ToolChoice::None, vec![]).await, None);
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_before_it_is_sent() {
    let picture = Block::new(Label::USER, Content::Image { source: picture() });
    let system = Request { system: vec![picture], ..ask("claude-sonnet-5") };
    let nothing = Request::new("claude-sonnet-5", vec![turn(Role::User, vec![words("")])]);
    for request in [system, nothing] {
        assert_eq!(seen(uncached(), request).await.unwrap_err(), ErrorKind::InvalidRequest);
    }
    let long = Request::new("claude-sonnet-5", vec![Message::user(Label::USER, "a".repeat(33 * 1024 * 1024))]);
    assert_eq!(seen(uncached(), long).await.unwrap_err(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn tokens_are_counted_of_what_is_read() {
    let upstream = Upstream::start(|_| Answer::json(200, &json!({ "input_tokens": 14 }))).await;
    let provider = crate::provider(Config { base_url: format!("{}/", upstream.url), ..uncached() });
    let request = Request { tools: vec![tool("read")], stop_sequences: vec!["END".into()], ..ask("claude-sonnet-5") };
    assert_eq!(provider.count_tokens(&request).await.unwrap(), 14);
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.path, "/v1/messages/count_tokens");
    let fields: Vec<_> = seen.body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["messages", "model", "tools"]);
}

#[tokio::test]
async fn models_come_page_by_page() {
    let upstream = Upstream::start(|seen| {
        let (name, more) = if seen.path.contains("after_id=one") { ("two", false) } else { ("one", true) };
        let models = json!([{ "id": name, "display_name": null }]);
        Answer::json(200, &json!({ "data": models, "has_more": more, "last_id": name }))
    })
    .await;
    let models = crate::provider(crate::config(&upstream.url)).list().await.unwrap();
    assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    let paths: Vec<_> = upstream.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=one"]);
}
