//! A program that reports progress, one that fails, one that is paused and stopped, and a limit that holds.
//!
//! `cargo run -p orchestrator-examples --example sessions`

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_events::{Delivery, Filter, Hub, MemoryLog, Subscription};
use orchestrator_process::Host;
use orchestrator_sessions::{
    Answer, Brief, Config, Lease, MemoryStore, Node, Parts, Program, Sessions, StartRequest, Stop, Work, WorkError,
};
use orchestrator_vocab::{Actor, Label, OrgId, SessionId, SystemClock, TaskId, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Prints what a real backlog would store, and never takes a task away.
struct Backlog;

#[async_trait]
impl Work for Backlog {
    async fn heartbeat(&self, _: &Lease, progress: Option<Value>) -> Result<Answer, WorkError> {
        if let Some(progress) = progress {
            println!("   backlog: progress {progress}");
        }
        Ok(Answer::Accepted)
    }

    async fn complete(&self, _: &Lease, result: Value, _: Label) -> Result<Answer, WorkError> {
        println!("   backlog: completed with {result}");
        Ok(Answer::Accepted)
    }

    async fn fail(&self, _: &Lease, error: String) -> Result<Answer, WorkError> {
        println!("   backlog: failed, {error}");
        Ok(Answer::Accepted)
    }

    async fn release(&self, _: &Lease, reason: String, _: Option<Timestamp>) -> Result<Answer, WorkError> {
        println!("   backlog: given back, {reason}");
        Ok(Answer::Accepted)
    }

    async fn go_on(&self, _: &Lease) -> Result<Answer, WorkError> {
        Ok(Answer::Lost) // Programs are never suspended.
    }

    async fn wait(&self, _: &Lease, reason: String) -> Result<Answer, WorkError> {
        println!("   backlog: waits for a person, {reason}");
        Ok(Answer::Accepted)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let log = Arc::new(MemoryLog::default());
    let hub = Hub::new(log.clone());
    let sessions = Sessions::new(Parts {
        store: Arc::new(MemoryStore::new(log)),
        work: Arc::new(Backlog),
        hub: hub.clone(),
        clock: Arc::new(SystemClock),
        node: Node { name: "example".into(), epoch: 1 },
        config: Config { max_active: 2, progress_ms: 100, ..Config::default() },
        filter: None,
        host: Host::unconfined("sessions-example"),
    })?;
    println!("left behind by an earlier run: {:?}", sessions.recover().await?);
    let mut output = hub.subscribe(OrgId::LOCAL, Filter::parse(["stream.**"])?).await?;

    println!("\n-- a program that says how far it is");
    let script = r#"for n in 1 2 3; do echo "{\"progress\": $n}"; sleep 0.2; done; wc -c"#;
    let id = start(&sessions, script).await?;
    follow(&sessions, &mut output, id).await?;

    println!("\n-- a program that fails");
    let id = start(&sessions, "echo starting; echo 'no space left' >&2; exit 7").await?;
    follow(&sessions, &mut output, id).await?;

    println!("\n-- a program that is paused, resumed and stopped with everything it started");
    let id = start(&sessions, "setsid sleep 1000 & while :; do sleep 0.1; done").await?;
    let mut starting = output.next().await?;
    while !matches!(&starting, Delivery::Transient(piece) if piece.name == "stream.start") {
        starting = output.next().await?;
    }
    let alice = || Actor::User("alice".into());
    while let Err(not_yet) = sessions.pause(OrgId::LOCAL, id, Some("lunch".into()), alice()).await {
        println!("   {not_yet}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("   {:?}", sessions.get(OrgId::LOCAL, id).await?.state);
    sessions.resume(OrgId::LOCAL, id, alice()).await?;
    let stop = Stop { reason: Some("no longer needed".into()), force: false, actor: alice() };
    println!("   {:?}", sessions.stop(OrgId::LOCAL, id, stop).await?.state);

    println!("\n-- a third one, where two may be");
    for _ in 0..2 {
        start(&sessions, "exec sleep 1000").await?;
    }
    println!("   {}", start(&sessions, "true").await.expect_err("there is no room"));
    let drained = sessions.drain(Instant::now()).await;
    println!("   drained: {} handed back", drained.handed_back.len());
    Ok(())
}

async fn start(sessions: &Sessions, script: &str) -> Result<SessionId, orchestrator_sessions::Error> {
    let mut program = Program::new(["/bin/sh", "-c", script]);
    program.environment.inherit = vec!["PATH".to_owned()];
    let request = StartRequest {
        id: None,
        org: OrgId::LOCAL,
        agent: "shell".parse().expect("a name"),
        runtime: Arc::new(program),
        task: TaskId::new(),
        fence: 1,
        brief: Brief { kind: "general".into(), description: script.to_owned(), priority: "medium".into() },
        document: json!({ "title": "count me" }),
        orchestrator: None,
        created_by: Actor::system("example"),
        correlation: None,
        traceparent: None,
    };
    Ok(sessions.start(request).await?.id)
}

/// Prints the session's output until it has ended.
async fn follow(sessions: &Sessions, output: &mut Subscription, id: SessionId) -> anyhow::Result<()> {
    let mut changed = sessions.changed();
    loop {
        if let Delivery::Transient(piece) = output.next().await? {
            println!("   {} {}", piece.name, piece.payload.get("content").unwrap_or(&Value::Null));
            if piece.name == "stream.end" || piece.name == "stream.error" {
                break;
            }
        }
    }
    while sessions.get(OrgId::LOCAL, id).await?.state.is_active() {
        changed.changed().await?;
    }
    let session = sessions.get(OrgId::LOCAL, id).await?;
    println!("   {:?} after {} ms", session.state, session.metrics.duration_ms);
    Ok(())
}
