//! The scripted model keeps what every provider promises, and what its script says.

use orchestrator_models::conformance::{SIGNATURE, Scenario, Subject, TEXT, THOUGHT, request};
use orchestrator_models::{ErrorKind, Provider as _, Request, Script, Scripted};
use orchestrator_transcript::{Message, StopReason};
use orchestrator_vocab::Label;
use serde_json::{Value, json};

fn rule(scenario: Scenario) -> Value {
    let call = |id: &str, path: &str| json!({ "call": { "tool": "read", "id": id, "arguments": { "path": path } } });
    let error = |kind: &str| json!({ "fault": { "error": kind } });
    let after = |kind: &str| json!({ "say": [{ "text": TEXT }], "fault": { "error": kind, "afterPieces": 2 } });
    match scenario {
        Scenario::Text => {
            json!({ "say": [{ "text": TEXT }], "usage": { "input": 10, "cacheRead": 100, "output": 20 } })
        }
        Scenario::ToolCall => json!({ "say": [call("call-1", "a.txt")], "pieceChars": 3 }),
        Scenario::TwoToolCalls => json!({ "say": [call("call-1", "a.txt"), call("call-2", "b.txt")] }),
        Scenario::CutArguments => json!({
            "say": [{ "call": { "tool": "read", "written": "{\"path\": " } }], "stop": { "kind": "max_tokens" }
        }),
        Scenario::Thinking => {
            json!({ "say": [{ "think": { "text": THOUGHT, "signature": SIGNATURE } }, { "text": TEXT }] })
        }
        Scenario::Refusal => json!({ "stop": { "kind": "refusal", "category": "bio" } }),
        Scenario::Truncated => after("stream_truncated"),
        Scenario::ErrorInStream => after("overloaded"),
        Scenario::Garbage => after("malformed"),
        Scenario::Invalid => error("invalid_request"),
        Scenario::Unauthenticated => error("authentication"),
        Scenario::NoCredit => error("billing"),
        Scenario::UnknownModel => error("not_found"),
        Scenario::RateLimited => json!({ "fault": { "error": "rate_limited", "status": 429, "retryAfterMs": 7000 } }),
        Scenario::Overloaded => error("overloaded"),
        Scenario::DoNotRetry => json!({ "fault": { "error": "server", "status": 500, "shouldRetry": false } }),
        Scenario::Unreachable => error("connection"),
    }
}

fn scripted(script: &Value) -> Scripted {
    Scripted::new("scripted", Script::parse(&script.to_string()).expect("a script"))
}

async fn subject(scenario: Scenario) -> Subject {
    let mut script = json!({ "rules": [rule(scenario)] });
    if scenario == Scenario::Unauthenticated {
        script["probe"] = json!({ "error": "authentication" });
    }
    Subject { provider: Box::new(scripted(&script)), keep: () }
}

orchestrator_models::provider_conformance!(subject);

fn asked(text: &str) -> Request {
    Request::new("scripted", vec![Message::user(Label::USER, text)])
}

async fn said(model: &Scripted, text: &str) -> String {
    let stream = model.chat(asked(text)).await.expect("an answer");
    stream.collect(Label::USER).await.expect("a whole answer").message.text()
}

#[tokio::test]
async fn the_first_rule_that_holds_answers_as_often_as_it_may() {
    let model = scripted(&json!({ "rules": [
        { "when": { "says": "hello" }, "times": 1, "say": [{ "text": "once" }] },
        { "when": { "says": "hello", "turn": 1 }, "say": [{ "text": "you said {{last}}" }] },
    ]}));
    assert_eq!(said(&model, "hello").await, "once");
    assert_eq!(said(&model, "hello").await, "you said hello");
    let refusal = model.chat(asked("goodbye")).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn an_obedient_model_does_what_it_reads() {
    let model = scripted(&json!({ "obedient": true }));
    let reply = model.chat(asked("x\n@call read {\"path\": \"a\"}")).await.unwrap().collect(Label::USER).await.unwrap();
    let call = reply.message.tool_calls().next().unwrap();
    assert_eq!((call.name.as_str(), &call.arguments), ("read", &json!({ "path": "a" })));
    assert_eq!(reply.stop.reason, StopReason::ToolUse);
}

#[tokio::test(start_paused = true)]
async fn a_silent_model_says_nothing_more() {
    let model =
        scripted(&json!({ "rules": [{ "say": [{ "text": TEXT }], "fault": { "silent": true, "afterPieces": 1 } }] }));
    let answer = model.chat(request()).await.unwrap().collect(Label::USER);
    tokio::time::timeout(std::time::Duration::from_secs(3_600), answer).await.unwrap_err();
}
