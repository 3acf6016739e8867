use std::path::Path;
use std::sync::Arc;

use orchestrator_model_openai::Api;
use orchestrator_models::http::Cassette;
use orchestrator_models::{ErrorKind, Provider as _, ProviderError, Request};
use orchestrator_redact::Redactor;
use orchestrator_transcript::{Message, Reply};
use orchestrator_vocab::Label;
use serde_json::{Value, json};

use crate::answers::{KEY, chat_usage, chunk, done, error, events, provider};
use crate::upstream::{Answer, Upstream};

const SECRET: &str = "correct horse battery";

fn redactor() -> Redactor {
    Redactor::builder().secret("words", &SECRET.to_owned().into()).build()
}

fn says(pieces: &[&str]) -> Answer {
    let pieces = pieces.iter().map(|piece| chunk(json!({ "content": piece }), None));
    events(pieces.chain([chunk(json!({}), Some("stop")), chat_usage(), done()]))
}

/// Answers of an upstream, one after the other, recorded.
async fn record(path: &Path, answers: Vec<Answer>, says: &[&str]) -> Vec<String> {
    let turns = answers.len();
    let upstream = Upstream::new({
        let turn = std::sync::atomic::AtomicUsize::new(0);
        move |_| answers[turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst).min(turns - 1)].clone()
    })
    .await;
    let lost = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noting = lost.clone();
    let on_loss = Arc::new(move |error: &orchestrator_models::http::CassetteError| {
        noting.lock().unwrap().push(error.to_string());
    });
    let recording = provider(&upstream, Api::Chat).with_cassette(Cassette::record(path, redactor(), on_loss).unwrap());
    for text in says {
        ask(&recording, text).await.ok();
    }
    drop(recording);
    lost.lock().unwrap().clone()
}

async fn replaying(path: &Path) -> orchestrator_model_openai::OpenAi {
    let nobody = Upstream::new(|_| panic!("nobody is asked")).await;
    provider(&nobody, Api::Chat).with_cassette(Cassette::replay(path, redactor()).unwrap())
}

async fn ask(provider: &orchestrator_model_openai::OpenAi, text: &str) -> Result<Reply, ProviderError> {
    let request = Request::new("gpt-test", vec![Message::user(Label::USER, text)]);
    provider.chat(request).await?.collect(Label::USER).await
}

#[tokio::test]
async fn each_exchange_is_played_back_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    record(&path, vec![error(500, "server_error", ""), says(&["well"])], &["hello", "hello"]).await;
    let replaying = replaying(&path).await;
    assert_eq!(ask(&replaying, "hello").await.unwrap_err().kind, ErrorKind::Server);
    assert_eq!(ask(&replaying, "hello").await.unwrap().message.text(), "well");
    let refused = ask(&replaying, "hello").await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotRecorded);
    assert!(refused.message.contains("once more than the 2 times of line 2, 3"), "{refused}");
}

#[tokio::test]
async fn what_was_not_recorded_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    record(&path, vec![says(&["well"])], &["something else entirely", "hello"]).await;
    let refused = ask(&replaying(&path).await, "hullo").await.unwrap_err();
    assert_eq!((refused.kind, refused.is_retryable()), (ErrorKind::NotRecorded, false));
    let expected = "line 2 differs least, in 1 places, first at /messages/0/content";
    assert!(refused.message.contains(expected), "{refused}");
    let listed = replaying(&path).await.list().await.unwrap_err();
    assert!(listed.message.contains("GET /v1/models") && listed.message.contains("it has POST /v1/chat"), "{listed}");
}

#[tokio::test]
async fn no_key_no_header_and_no_secret_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let repeated = Answer { headers: vec![("set-cookie", "c"), ("retry-after", "7")], ..error(401, KEY, KEY) };
    let said = format!("you said {SECRET}");
    let asked = format!("my secret is {SECRET}");
    record(&path, vec![repeated, says(&[&said])], &["hello", &asked]).await;
    let written = std::fs::read_to_string(&path).unwrap();
    for never in [KEY, SECRET, "authorization", "set-cookie", "127.0.0.1"] {
        assert!(!written.contains(never), "{never}: {written}");
    }
    let answer = ask(&replaying(&path).await, &asked).await.unwrap();
    assert_eq!(answer.message.text(), "you said [redacted:words]");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_secret_said_in_pieces_is_withheld_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let (begin, end) = SECRET.split_at(9);
    let lost = record(&path, vec![says(&[begin, end])], &["hello"]).await;
    assert!(lost.len() == 1 && lost[0].contains("in several pieces"), "{lost:?}");
    let refused = ask(&replaying(&path).await, "hello").await.unwrap_err();
    assert!(refused.kind == ErrorKind::NotRecorded && refused.message.contains("withheld"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_cassette_is_refused_and_a_torn_line_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    for (text, problem) in [
        ("{\"format\":\"orchestrator-cassette\",\"version\":9}\n", "line 1: version 9 is unknown"),
        ("hello\n", "line 1: expected"),
        ("{\"format\":\"orchestrator-cassette\",\"version\":1}\n{}\n", "line 2"),
    ] {
        std::fs::write(&path, text).unwrap();
        let refused = Cassette::replay(&path, redactor()).unwrap_err().to_string();
        assert!(refused.contains(problem), "{refused}");
    }
    std::fs::remove_file(&path).unwrap();
    record(&path, vec![says(&["well"])], &["hello"]).await;
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, whole.clone() + "{\"request\":").unwrap();
    assert_eq!(ask(&replaying(&path).await, "hello").await.unwrap().message.text(), "well");
    record(&path, vec![says(&["again"])], &["hullo"]).await;
    let lines: Vec<Value> =
        std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
}
