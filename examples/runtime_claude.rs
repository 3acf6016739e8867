//! A session with a coding agent that asks leave first. A line of shell stands in for the program, so that it needs no account.
//!
//! `cargo run -p orchestrator-examples --example runtime_claude`

mod quiet;

use std::sync::Arc;

use orchestrator_events::{Hub, MemoryLog};
use orchestrator_process::Host;
use orchestrator_runtime_claude::{Asked, Claude, CodingAgent, Verdict};
use orchestrator_sessions::{Brief, Config, MemoryStore, Node, Parts, Sessions, StartRequest};
use orchestrator_vocab::{Actor, OrgId, SystemClock, TaskId};
use quiet::Quiet;
use serde_json::json;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, service_fn};

/// Told a task it asks leave for a command; answered, it is done.
const AGENT: &str = r#"while read -r line; do case "$line" in
*'"type":"user"'*) echo '{"type":"system","subtype":"init","session_id":"one"}'
  echo '{"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool","tool_name":"Bash","tool_use_id":"t","input":{"command":"ls"}}}';;
*'"behavior":"allow"'*) echo '{"type":"result","subtype":"success","is_error":false,"result":"listed"}';;
esac; done"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let log = Arc::new(MemoryLog::default());
    let sessions = Sessions::new(Parts {
        store: Arc::new(MemoryStore::new(log.clone())),
        work: Arc::new(Quiet),
        hub: Hub::new(log),
        clock: Arc::new(SystemClock),
        node: Node { name: "example".into(), epoch: 1 },
        config: Config::default(),
        filter: None,
        host: Host::unconfined("example"),
    })?;
    let leave = BoxCloneSyncService::new(service_fn(|asked: Asked| async move {
        println!("{} asks leave for {} {}", asked.agent, asked.tool, asked.input);
        Ok::<_, BoxError>(Verdict::Allow { reason: "it only looks".into(), input: None })
    }));
    let agent = CodingAgent::new(Claude::new(["sh", "-c", AGENT]), leave, Arc::new(SystemClock));
    let request = StartRequest {
        id: None,
        org: OrgId::LOCAL,
        agent: "coder".parse()?,
        runtime: Arc::new(agent),
        task: TaskId::new(),
        fence: 1,
        brief: Brief { kind: "general".into(), description: "look around".into(), priority: "medium".into() },
        document: json!("What is here?"),
        orchestrator: None,
        created_by: Actor::system("example"),
        correlation: None,
        traceparent: None,
    };
    let (mut changed, id) = (sessions.changed(), sessions.start(request).await?.id);
    while sessions.get(OrgId::LOCAL, id).await?.state.is_active() {
        changed.changed().await?;
    }
    Ok(())
}
