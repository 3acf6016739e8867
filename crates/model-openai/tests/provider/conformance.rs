//! What every provider promises, in both protocols.

use std::sync::Arc;

use orchestrator_model_openai::{Api, Config, OpenAi, Options};
use orchestrator_models::conformance::{SIGNATURE, Scenario, Subject, TEXT, THOUGHT};
use orchestrator_models::provider_conformance;
use orchestrator_vocab::SystemClock;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::answers::{
    call, call_piece, chat_usage, chunk, completed, config, created, done, error, events, json, message, provider,
    response, text,
};
use crate::upstream::{Answer, Upstream};

mod chat {
    use super::*;

    async fn subject(scenario: Scenario) -> Subject<Option<Upstream>> {
        super::subject(scenario, Api::Chat, said).await
    }

    provider_conformance!(subject, without_signatures);

    fn said(scenario: Scenario) -> Answer {
        let half = TEXT.chars().take(12).collect::<String>();
        let text = || TEXT.split_inclusive(' ').map(|word| chunk(json!({ "content": word }), None));
        let begun = chunk(json!({ "role": "assistant", "content": "", "refusal": null }), None);
        let stop = |reason| [chunk(json!({}), Some(reason)), chat_usage(), done()];
        let said: Vec<Value> = match scenario {
            Scenario::ToolCall => {
                let pieces = [
                    call_piece(0, Some("call-1"), ""),
                    call_piece(0, None, "{\"pa"),
                    call_piece(0, None, "th\": \"a.txt\"}"),
                ];
                [begun].into_iter().chain(pieces).chain(stop("tool_calls")).collect()
            }
            Scenario::TwoToolCalls => {
                let first = [call_piece(0, Some("call-1"), "{\"path\": "), call_piece(0, None, "\"a.txt\"}")];
                let second = [call_piece(1, Some("call-2"), "{\"path\": "), call_piece(1, None, "\"b.txt\"}")];
                first.into_iter().chain(second).chain(stop("tool_calls")).collect()
            }
            Scenario::CutArguments => {
                [call_piece(0, Some("call-1"), "{\"path\": ")].into_iter().chain(stop("length")).collect()
            }
            Scenario::Thinking => {
                let thought = chunk(json!({ "reasoning_content": THOUGHT }), None);
                [thought].into_iter().chain(text()).chain(stop("stop")).collect()
            }
            Scenario::Refusal => {
                [chunk(json!({ "refusal": "I will not." }), None)].into_iter().chain(stop("stop")).collect()
            }
            Scenario::Truncated => vec![begun, chunk(json!({ "content": half }), None)],
            Scenario::ErrorInStream => {
                let error =
                    json!({ "error": { "message": "busy", "type": "server_error", "code": "server_is_overloaded" } });
                vec![begun, chunk(json!({ "content": half }), None), error]
            }
            Scenario::Garbage => vec![begun, chunk(json!({ "content": half }), None), json!("{\"choices\": [")],
            _ => [begun].into_iter().chain(text()).chain(stop("stop")).collect(),
        };
        events(said)
    }
}

mod responses {
    use super::*;

    async fn subject(scenario: Scenario) -> Subject<Option<Upstream>> {
        super::subject(scenario, Api::Responses, said).await
    }

    provider_conformance!(subject);

    pub(super) fn said(scenario: Scenario) -> Answer {
        let half = TEXT.chars().take(12).collect::<String>();
        let texts = |at| TEXT.split_inclusive(' ').map(move |word| text(at, word)).chain([message(at, TEXT)]);
        let said: Vec<Value> = match scenario {
            Scenario::ToolCall => call(0, "call-1", &["{\"pa", "th\": \"a.txt\"}"]),
            Scenario::TwoToolCalls => {
                let second = call(1, "call-2", &["{\"path\": ", "\"b.txt\"}"]);
                call(0, "call-1", &["{\"path\": ", "\"a.txt\"}"]).into_iter().chain(second).collect()
            }
            Scenario::CutArguments => {
                let mut cut = response("incomplete", json!([]));
                cut["incomplete_details"] = json!({ "reason": "max_output_tokens" });
                let mut events = call(0, "call-1", &["{\"path\": "]);
                events.push(json!({ "type": "response.incomplete", "response": cut }));
                events
            }
            Scenario::Thinking => thinking().into_iter().chain(texts(1)).collect(),
            Scenario::Refusal => refusal(),
            Scenario::Truncated => return events([created(), text(0, &half)]),
            Scenario::ErrorInStream => {
                let error =
                    json!({ "type": "error", "code": "server_is_overloaded", "message": "busy", "param": null });
                return events([created(), text(0, &half), error]);
            }
            Scenario::Garbage => return events([created(), text(0, &half), json!("{\"type\": ")]),
            _ => texts(0).collect(),
        };
        events([created()].into_iter().chain(said).chain([completed()]))
    }

    fn thinking() -> Vec<Value> {
        let item = json!({ "type": "reasoning", "id": "rs_1", "encrypted_content": SIGNATURE,
            "summary": [{ "type": "summary_text", "text": THOUGHT }] });
        let mut events: Vec<_> = THOUGHT
            .split_inclusive(' ')
            .map(|delta| {
                json!({ "type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "output_index": 0,
                    "summary_index": 0, "delta": delta })
            })
            .collect();
        events.push(json!({ "type": "response.output_item.done", "output_index": 0, "item": item }));
        events
    }

    fn refusal() -> Vec<Value> {
        let item = json!({ "type": "message", "id": "msg_1", "role": "assistant",
            "content": [{ "type": "refusal", "refusal": "I will not." }] });
        vec![
            json!({ "type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": "I will not." }),
            json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        ]
    }
}

mod played_back {
    use orchestrator_models::conformance::PlayedBack;
    use orchestrator_models::http::Cassette;
    use orchestrator_redact::Redactor;
    use tempfile::TempDir;

    use super::*;

    async fn subject(scenario: Scenario) -> Subject<(Option<Upstream>, TempDir)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/openai.jsonl");
        let upstream = super::upstream(scenario, super::responses::said).await;
        let url = upstream.as_ref().map_or_else(|| "http://127.0.0.1:9/v1".to_owned(), |upstream| upstream.url.clone());
        let redactor = || Redactor::builder().build();
        let recording = Cassette::record(&path, redactor(), Arc::new(|error| panic!("{error}"))).unwrap();
        // Nobody is there, so that whoever asks would notice.
        let nowhere = || provider_at("http://127.0.0.1:9/v1".to_owned(), Api::Responses);
        let played = move || nowhere().with_cassette(Cassette::replay(&path, redactor()).unwrap());
        let live = provider_at(url, Api::Responses).with_cassette(recording);
        Subject { provider: Box::new(PlayedBack { live, played }), keep: (upstream, folder) }
    }

    provider_conformance!(subject);
}

async fn subject(scenario: Scenario, api: Api, said: fn(Scenario) -> Answer) -> Subject<Option<Upstream>> {
    let Some(upstream) = upstream(scenario, said).await else {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        return Subject { provider: Box::new(provider_at(format!("http://{address}"), api)), keep: None };
    };
    Subject { provider: Box::new(provider(&upstream, api)), keep: Some(upstream) }
}

fn provider_at(base_url: String, api: Api) -> OpenAi {
    let options = Options { api: Some(api), ..Options::default() };
    OpenAi::new("openai", Config { options, base_url, ..config() }, Arc::new(SystemClock)).unwrap()
}

async fn upstream(scenario: Scenario, said: fn(Scenario) -> Answer) -> Option<Upstream> {
    if scenario == Scenario::Unreachable {
        return None;
    }
    let upstream = Upstream::new(move |asked| match refused(scenario) {
        Some(refusal) => refusal,
        None if asked.path == "/v1/models" => {
            json(200, &json!({ "object": "list", "data": [{ "id": "gpt-test-1", "object": "model" }] }))
        }
        None => said(scenario),
    })
    .await;
    Some(upstream)
}

fn refused(scenario: Scenario) -> Option<Answer> {
    let invalid = "invalid_request_error";
    Some(match scenario {
        Scenario::Invalid => error(400, invalid, "invalid_value"),
        Scenario::Unauthenticated => error(401, invalid, "invalid_api_key"),
        Scenario::NoCredit => error(429, "insufficient_quota", "insufficient_quota"),
        Scenario::UnknownModel => error(404, invalid, "model_not_found"),
        Scenario::RateLimited => with(error(429, "requests", "rate_limit_exceeded"), ("retry-after", "7")),
        Scenario::Overloaded => error(503, "server_error", ""),
        Scenario::DoNotRetry => with(error(500, "server_error", ""), ("x-should-retry", "false")),
        _ => return None,
    })
}

fn with(mut answer: Answer, header: (&'static str, &'static str)) -> Answer {
    answer.headers.push(header);
    answer
}
