//! Subscribers that go away and come back, and such as do not read, through the socket of the running daemon.

mod acks;
mod away;
mod client;
mod dialects;
mod header;
mod proxy;
mod slow;
mod tokens;

use orchestrator_testkit::{Event, Socket};
use serde_json::{Value, json};

/// Creates this many tasks, a thousand at a time.
async fn create(socket: &mut Socket, count: usize) {
    create_titled(socket, count, "a task").await;
}

async fn create_titled(socket: &mut Socket, count: usize, title: &str) {
    for start in (0..count).step_by(1_000) {
        let drafts: Vec<Value> = (start..count.min(start + 1_000)).map(|_| json!({"title": title})).collect();
        socket.call("task.createMany", json!({"tasks": drafts})).await.expect("tasks");
    }
}

async fn events(socket: &mut Socket, count: usize) -> Vec<Event> {
    let mut events = Vec::with_capacity(count);
    while events.len() < count {
        events.push(socket.next_event().await);
    }
    events
}

/// Numbers of events, which must rise.
#[track_caller]
fn rising(events: &[Event]) -> Vec<u64> {
    let seqs: Vec<u64> = events.iter().map(|event| event.seq.expect("a stored event")).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    seqs
}

fn resume_token(hello: &Value) -> String {
    hello["resumeToken"].as_str().expect("a resume token").to_owned()
}
