use orchestrator_models::conformance::{Scenario, Subject, TEXT};
use orchestrator_models::provider_conformance;
use serde_json::json;
use tokio::net::TcpListener;

use crate::answers::{self, call, error, events, start, stopped, text, thinking, whole_text};
use crate::upstream::{Answer, Seen, Upstream};

provider_conformance!(subject);

async fn subject(scenario: Scenario) -> Subject<Upstream> {
    let upstream = Upstream::start(move |seen| answer(scenario, seen)).await;
    let url = if scenario == Scenario::Unreachable { nobody().await } else { upstream.url.clone() };
    Subject { provider: Box::new(crate::provider(crate::config(&url))), keep: upstream }
}

mod played_back {
    use std::sync::Arc;

    use orchestrator_models::conformance::PlayedBack;
    use orchestrator_models::http::Cassette;
    use orchestrator_redact::Redactor;
    use tempfile::TempDir;

    use super::*;

    async fn subject(scenario: Scenario) -> Subject<(Upstream, TempDir)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claude.jsonl");
        let upstream = Upstream::start(move |seen| answer(scenario, seen)).await;
        let url = if scenario == Scenario::Unreachable { nobody().await } else { upstream.url.clone() };
        let redactor = || Redactor::builder().build();
        let recording = Cassette::record(&path, redactor(), Arc::new(|error| panic!("{error}"))).unwrap();
        let live = crate::provider(crate::config(&url)).with_cassette(recording);
        // Nobody is there, so that whoever asks would notice.
        let nowhere = || crate::provider(crate::config("http://127.0.0.1:9"));
        let played = move || nowhere().with_cassette(Cassette::replay(&path, redactor()).unwrap());
        Subject { provider: Box::new(PlayedBack { live, played }), keep: (upstream, folder) }
    }

    provider_conformance!(subject);
}

/// An address at which somebody was.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn answer(scenario: Scenario, seen: &Seen) -> Answer {
    match (scenario, seen.path.as_str()) {
        (Scenario::Unauthenticated, _) => Answer::json(401, &error("authentication_error", "invalid x-api-key")),
        (_, "/v1/messages") => messages(scenario),
        (_, "/v1/messages/count_tokens") => Answer::json(200, &json!({ "input_tokens": 42 })),
        _ => {
            let models = json!([{ "id": "claude-test-1", "type": "model", "display_name": "Test" }]);
            Answer::json(200, &json!({ "data": models, "has_more": false, "first_id": null, "last_id": null }))
        }
    }
}

fn messages(scenario: Scenario) -> Answer {
    let failed = |status, kind| Answer::json(status, &error(kind, "no"));
    match scenario {
        Scenario::Invalid => failed(400, "invalid_request_error"),
        Scenario::NoCredit => failed(402, "billing_error"),
        Scenario::UnknownModel => failed(404, "not_found_error"),
        Scenario::RateLimited => failed(429, "rate_limit_error").with("retry-after", "7"),
        Scenario::Overloaded => failed(529, "overloaded_error"),
        Scenario::DoNotRetry => failed(500, "api_error").with("x-should-retry", "false"),
        _ => Answer::events(stream(scenario)),
    }
}

fn stream(scenario: Scenario) -> String {
    let half = || vec![answers::opened(0, &json!({ "type": "text", "text": &TEXT[..12] }))];
    let middle = match scenario {
        Scenario::ToolCall => [call(0, "call-1", &["{\"pa", "th\": \"a.t", "xt\"}"]), stopped("tool_use")].concat(),
        Scenario::TwoToolCalls => {
            let second = call(1, "call-2", &["{\"path\": ", "\"b.txt\"}"]);
            [call(0, "call-1", &["{\"path\": \"a.txt\"}"]), second, stopped("tool_use")].concat()
        }
        Scenario::CutArguments => [call(0, "call-1", &["{\"path\": "]), stopped("max_tokens")].concat(),
        Scenario::Thinking => [thinking(0), whole_text(1), stopped("end_turn")].concat(),
        Scenario::Refusal => [text(0, &["I would"]), stopped("refusal")].concat(),
        Scenario::Truncated | Scenario::Garbage => half(),
        Scenario::ErrorInStream => [half(), vec![error("overloaded_error", "Overloaded")]].concat(),
        _ => [whole_text(0), stopped("end_turn")].concat(),
    };
    let garbage =
        if scenario == Scenario::Garbage { "event: content_block_delta\ndata: {\"type\": oops\n\n" } else { "" };
    events(&[vec![start()], middle].concat()) + garbage
}
