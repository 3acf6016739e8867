//! Going on after an interruption, and what people say meanwhile.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, unused_imports, reason = "each test program uses a part of what supports it")]

mod support;

use std::sync::Arc;

use orchestrator_runtime_claude::{CodingAgent, deny_all};
use orchestrator_sessions::{Entry, State};
use orchestrator_transcript::{Block, Message};
use orchestrator_vocab::{Actor, Label, SystemClock};
use serde_json::json;
use support::{Fixture, Seeded, Told, config, kinds};

fn began() -> Entry {
    let message = Message::user(Label::USER, "@crash");
    Entry::Began { runtime: "claude-code".into(), profile: json!({}), message }
}

fn conversation(id: &str) -> Entry {
    Entry::Noted { what: "conversation".into(), facts: json!({ "id": id }), message: None }
}

fn said(text: &str) -> Entry {
    Entry::Input { by: Actor::User("bob".into()), content: vec![Block::text(Label::USER, text)] }
}

/// An agent that remembers the conversations whose names are in a folder.
fn remembering(folder: &std::path::Path) -> CodingAgent {
    let mut config = config();
    config.environment.set.insert("FAKE_AGENT_MEMORY".into(), folder.to_string_lossy().into_owned());
    CodingAgent::new(config, deny_all(), Arc::new(SystemClock))
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("orchestrator-{name}-{}", orchestrator_vocab::SessionId::new()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn it_goes_on_with_its_own_conversation() {
    let (fixture, folder) = (Fixture::new().await, folder("memory"));
    std::fs::write(folder.join("abc"), "").unwrap();
    let entries = vec![began(), conversation("abc")];
    let (session, told) = fixture.run_with(Seeded { entries, agent: remembering(&folder) }, "@crash").await;
    let Told::Completed(result) = told else { panic!("{told:?}") };
    assert!(result.as_str().unwrap().starts_with("resumed abc: You were interrupted."), "{result}");
    assert_eq!(session.state, State::Completed);
    let kinds = kinds(&fixture.entries(session.id).await);
    assert_eq!(kinds[..4], ["began", "conversation", "resumed", "conversation"]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn it_begins_anew_if_it_has_forgotten() {
    let (fixture, folder) = (Fixture::new().await, folder("forgetting"));
    let entries = vec![began(), conversation("gone")];
    let (session, told) = fixture.run_with(Seeded { entries, agent: remembering(&folder) }, "@say anew").await;
    assert_eq!(told, Told::Completed(json!("anew")));
    assert!(kinds(&fixture.entries(session.id).await).contains(&"forgotten".to_owned()));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_people_said_is_told_once() {
    let fixture = Fixture::new().await;
    let agent = || CodingAgent::new(config(), deny_all(), Arc::new(SystemClock));
    let entries = vec![said("in between")];
    let (session, told) = fixture.run_with(Seeded { entries, agent: agent() }, "@wait").await;
    assert_eq!(told, Told::Completed(json!("you said in between")));
    assert!(kinds(&fixture.entries(session.id).await).contains(&"told".to_owned()));

    // What it was told before is not told again.
    let before = Entry::Noted { what: "told".into(), facts: json!({ "input": 1 }), message: None };
    let entries = vec![said("old news"), before, said("news")];
    let (_, told) = fixture.run_with(Seeded { entries, agent: agent() }, "@wait").await;
    assert_eq!(told, Told::Completed(json!("you said news")));
}
