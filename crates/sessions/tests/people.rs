//! What people say to sessions in the middle of their work.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::sync::Arc;

use orchestrator_sessions::{Error, Runtime, Said, State, Status, Verdict};
use orchestrator_transcript::Block;
use orchestrator_vocab::{Actor, Label, OrgId};
use serde_json::json;
use support::journaled::Steps;
use support::{Fixture, LOCAL, Told, shell, soon};
use tokio::time::Instant;

fn user() -> Actor {
    Actor::User("bob".into())
}

fn words(text: &str, key: Option<&str>) -> Said {
    Said { content: vec![Block::text(Label::USER, text)], actor: user(), key: key.map(str::to_owned) }
}

#[tokio::test]
async fn what_is_said_is_heard_once_and_in_the_journal() {
    let fixture = Fixture::new().await;
    let steps = Steps { listens: true, ..Steps::new(2) };
    let id = fixture.start(steps.clone()).await;
    assert_eq!(fixture.sessions.say(LOCAL, id, words("faster", Some("k"))).await.unwrap(), 1);
    assert_eq!(fixture.sessions.say(LOCAL, id, words("faster", Some("k"))).await.unwrap(), 1, "said once");
    soon(steps.heard("faster")).await;
    let events = fixture.events(id).await;
    assert_eq!(events.iter().filter(|name| *name == "input").count(), 1);
    steps.allow(2);
    assert_eq!(fixture.ended(id).await.state, State::Completed);
    assert!(matches!(fixture.sessions.say(LOCAL, id, words("late", None)).await, Err(Error::Ended(_))));
}

#[tokio::test]
async fn what_is_said_to_a_suspended_session_is_heard_when_it_goes_on() {
    let fixture = Fixture::new().await;
    let steps = Steps { listens: true, ..Steps::new(1) };
    let id = fixture.start(steps.clone()).await;
    fixture.sessions.lost(LOCAL, id, "taken".into());
    assert_eq!(fixture.ended(id).await.state.status(), Status::Suspended);
    fixture.sessions.say(LOCAL, id, words("remember the milk", None)).await.unwrap();
    let runtime: Arc<dyn Runtime> = Arc::new(steps.clone());
    *fixture.backlog.starting.lock().unwrap() = Some((fixture.sessions.clone(), runtime));
    fixture.sessions.resume(LOCAL, id, user()).await.unwrap();
    soon(steps.heard("remember the milk")).await;
    soon(fixture.sessions.drain(Instant::now())).await;
}

#[tokio::test]
async fn programs_and_strangers_cannot_be_talked_to() {
    let fixture = Fixture::new().await;
    let id = fixture.start(shell("exec sleep 1000")).await;
    let refused = fixture.sessions.say(LOCAL, id, words("hello", None)).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("session {id} takes no input: its runtime is `program`"));
    let foreign = fixture.sessions.say(OrgId::new(), id, words("hello", None)).await.unwrap_err();
    assert!(matches!(foreign, Error::NotFound(_)));
    assert!(fixture.sessions.history(LOCAL, id, 0, 10).await.unwrap().is_empty());
    soon(fixture.sessions.drain(Instant::now())).await;
}

#[tokio::test]
async fn a_settled_call_lets_the_session_go_on_with_what_was_said() {
    let fixture = Fixture::new().await;
    let steps = Steps { asks_at: Some(2), ..Steps::new(2) };
    steps.allow(2);
    let id = fixture.start(steps.clone()).await;
    let waiting = fixture.ended(id).await;
    assert!(waiting.state.is_waiting() && steps.effects() == [1]);
    let done = || Verdict::Done { result: "it was made".into() };
    let unknown = fixture.sessions.settle(LOCAL, id, "other", done(), user()).await.unwrap_err();
    assert_eq!(unknown.to_string(), format!("session {id} has no call `other` that waits to be settled"));

    let runtime: Arc<dyn Runtime> = Arc::new(steps.clone());
    *fixture.backlog.starting.lock().unwrap() = Some((fixture.sessions.clone(), runtime));
    fixture.sessions.settle(LOCAL, id, "call-2", done(), user()).await.unwrap();
    let session = fixture.ended(id).await;
    assert_eq!((session.state, steps.effects()), (State::Completed, vec![1, 2]));
    assert!(fixture.backlog.told().contains(&Told::GoesOn));
    let twice = fixture.sessions.settle(LOCAL, id, "call-2", done(), user()).await.unwrap_err();
    assert!(matches!(twice, Error::Ended(_)));
    let kinds: Vec<String> = fixture
        .sessions
        .history(LOCAL, id, 0, 10)
        .await
        .unwrap()
        .iter()
        .map(|one| one["entry"]["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["noted", "calling", "settled", "noted", "noted"]);
}

#[tokio::test]
async fn a_history_has_no_secrets_and_comes_in_pages() {
    let fixture = Fixture::with(|parts| {
        parts.filter = Some(Arc::new(|text| text.replace("s3cret", "[redacted]")));
    })
    .await;
    let id = fixture.start(Steps::new(1)).await;
    fixture.sessions.say(LOCAL, id, words("the key is s3cret", None)).await.unwrap();
    fixture.sessions.say(LOCAL, id, words("two", None)).await.unwrap();
    let first = fixture.sessions.history(LOCAL, id, 0, 1).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["entry"]["content"][0]["text"], json!("the key is [redacted]"));
    let second = fixture.sessions.history(LOCAL, id, 1, 10).await.unwrap();
    assert_eq!((second.len(), &second[0]["number"]), (1, &json!(2)));
    soon(fixture.sessions.drain(Instant::now())).await;
}
