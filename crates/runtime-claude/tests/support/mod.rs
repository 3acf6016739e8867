//! Sessions over a store in memory, with an agent that speaks the protocol and needs no account.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::ready;
use orchestrator_events::{Delivery, Filter, Hub, MemoryLog, Subscription};
use orchestrator_process::Host;
use orchestrator_runtime_claude::{Asked, Claude, CodingAgent, Permissions, Verdict, deny_all};
use orchestrator_sessions::{
    Answer, Brief, Config, Desk, Entry, Lease, MemoryStore, Node, Numbered, Outcome, Parts, Runtime, Session, Sessions,
    StartRequest, Stop, Work, WorkError,
};
use orchestrator_vocab::{Actor, Label, OrgId, SessionId, SystemClock, TaskId, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, service_fn};

pub(crate) const LOCAL: OrgId = OrgId::LOCAL;

/// What a session told the backlog.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Completed(Value),
    Failed(String),
    Released(String, Option<Timestamp>),
    Waits(String),
}

#[derive(Debug, Default)]
struct Backlog(watch::Sender<Vec<Told>>);

impl Backlog {
    fn take(&self, told: Told) -> Result<Answer, WorkError> {
        self.0.send_modify(|all| all.push(told));
        Ok(Answer::Accepted)
    }
}

#[async_trait]
impl Work for Backlog {
    async fn heartbeat(&self, _: &Lease, _: Option<Value>) -> Result<Answer, WorkError> {
        Ok(Answer::Accepted)
    }

    async fn complete(&self, _: &Lease, result: Value, _: Label) -> Result<Answer, WorkError> {
        self.take(Told::Completed(result))
    }

    async fn fail(&self, _: &Lease, error: String) -> Result<Answer, WorkError> {
        self.take(Told::Failed(error))
    }

    async fn release(&self, _: &Lease, reason: String, run_at: Option<Timestamp>) -> Result<Answer, WorkError> {
        self.take(Told::Released(reason, run_at))
    }

    async fn wait(&self, _: &Lease, reason: String) -> Result<Answer, WorkError> {
        self.take(Told::Waits(reason))
    }

    async fn go_on(&self, _: &Lease) -> Result<Answer, WorkError> {
        Ok(Answer::Accepted)
    }
}

/// Fails a test that hangs; far above what anything here needs.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it comes in time")
}

/// The example of this crate, which is built with its tests.
pub(crate) fn fake_agent() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    folder.join("examples/fake_agent")
}

pub(crate) fn config() -> Claude {
    Claude::new([fake_agent().to_string_lossy()])
}

pub(crate) fn agent() -> CodingAgent {
    CodingAgent::new(config(), deny_all(), Arc::new(SystemClock))
}

pub(crate) fn permissions(
    decide: impl Fn(Asked) -> Result<Verdict, BoxError> + Clone + Send + Sync + 'static,
) -> Permissions {
    BoxCloneSyncService::new(service_fn(move |asked| ready(decide(asked))))
}

/// Writes these into the journal first, as if it had been at work before.
pub(crate) struct Seeded {
    pub(crate) entries: Vec<Entry>,
    pub(crate) agent: CodingAgent,
}

#[async_trait]
impl Runtime for Seeded {
    fn name(&self) -> &'static str {
        self.agent.name()
    }

    fn grace(&self) -> Duration {
        self.agent.grace()
    }

    fn is_journaled(&self) -> bool {
        true
    }

    async fn run(&self, desk: Desk) -> Outcome {
        desk.journal().append(self.entries.clone()).await.unwrap();
        self.agent.run(desk).await
    }
}

pub(crate) struct Fixture {
    pub(crate) sessions: Sessions,
    backlog: Arc<Backlog>,
    parts: Parts,
    output: Mutex<Subscription>,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let (log, backlog) = (Arc::new(MemoryLog::default()), Arc::new(Backlog::default()));
        let hub = Hub::new(log.clone());
        let parts = Parts {
            store: Arc::new(MemoryStore::new(log)),
            work: backlog.clone(),
            hub: hub.clone(),
            clock: Arc::new(SystemClock),
            node: Node { name: "n1".into(), epoch: 2 },
            config: Config { heartbeat_ms: 50, progress_ms: 0, retry_max_ms: 50, ..Config::default() },
            filter: None,
            host: Host::unconfined(format!("claude-test-{}", SessionId::new())),
        };
        let filter = Filter::parse(["stream.**", "tool.**"]).unwrap();
        let output = Mutex::new(hub.subscribe(LOCAL, filter).await.unwrap());
        Self { sessions: Sessions::new(parts.clone()).unwrap(), backlog, parts, output }
    }

    pub(crate) async fn start(&self, task: &str) -> SessionId {
        self.start_with(agent(), task).await
    }

    pub(crate) async fn start_with(&self, runtime: impl Runtime, task: &str) -> SessionId {
        self.sessions.start(request(runtime, task)).await.unwrap().id
    }

    pub(crate) async fn run(&self, task: &str) -> (Session, Told) {
        self.run_with(agent(), task).await
    }

    pub(crate) async fn run_with(&self, runtime: impl Runtime, task: &str) -> (Session, Told) {
        let id = self.start_with(runtime, task).await;
        let session = self.ended(id).await;
        let told = self.backlog.0.borrow().last().cloned().expect("the backlog was told");
        (session, told)
    }

    pub(crate) async fn refused(&self, runtime: impl Runtime) -> String {
        self.sessions.start(request(runtime, "x")).await.unwrap_err().to_string()
    }

    pub(crate) async fn stop(&self, id: SessionId) -> Session {
        let stop = Stop { reason: Some("enough".into()), force: false, actor: Actor::User("bob".into()) };
        soon(self.sessions.stop(LOCAL, id, stop)).await.unwrap()
    }

    async fn ended(&self, id: SessionId) -> Session {
        soon(async {
            let mut changed = self.sessions.changed();
            loop {
                let session = self.sessions.get(LOCAL, id).await.unwrap();
                if !session.state.is_active() {
                    return session;
                }
                changed.changed().await.unwrap();
            }
        })
        .await
    }

    pub(crate) async fn entries(&self, id: SessionId) -> Vec<Numbered> {
        self.parts.store.entries(LOCAL, id, 0, 1_000).await.unwrap()
    }

    /// Live output of a session so far, by name.
    async fn live(&self, id: SessionId, mut is_last: impl FnMut(&str, &Value) -> bool) -> Vec<(String, Value)> {
        let mut output = self.output.lock().await;
        let mut all = Vec::new();
        let id = json!(id);
        soon(async {
            loop {
                let Delivery::Transient(piece) = output.next().await.unwrap() else { continue };
                if piece.payload["sessionId"] != id {
                    continue;
                }
                all.push((piece.name.to_string(), piece.payload.clone()));
                if is_last(&piece.name, &piece.payload) {
                    return;
                }
            }
        })
        .await;
        all
    }

    pub(crate) async fn until_said(&self, id: SessionId, text: &str) {
        self.live(id, |name, payload| name == "stream.chunk" && payload["content"] == text).await;
    }

    /// The pieces of text, those of one kind that follow each other as one.
    pub(crate) async fn chunks(&self, id: SessionId) -> Vec<(String, String)> {
        let mut chunks: Vec<(String, String)> = Vec::new();
        for (name, payload) in self.live(id, |name, _| name == "stream.end").await {
            if name != "stream.chunk" {
                continue;
            }
            let [kind, text] = ["chunkType", "content"].map(|field| payload[field].as_str().unwrap().to_owned());
            match chunks.last_mut() {
                Some((last, whole)) if *last == kind => whole.push_str(&text),
                _ => chunks.push((kind, text)),
            }
        }
        chunks
    }

    pub(crate) async fn tool_events(&self, id: SessionId) -> Vec<String> {
        let all = self.live(id, |name, _| name == "stream.end").await;
        all.into_iter().map(|(name, _)| name).filter(|name| name.starts_with("tool.")).collect()
    }
}

fn request(runtime: impl Runtime, task: &str) -> StartRequest {
    StartRequest {
        id: None,
        org: LOCAL,
        agent: "coder".parse().unwrap(),
        runtime: Arc::new(runtime),
        task: TaskId::new(),
        fence: 1,
        brief: Brief { kind: "general".into(), description: "say hello".into(), priority: "medium".into() },
        document: json!(task),
        orchestrator: None,
        created_by: Actor::User("alice".into()),
        correlation: None,
        traceparent: None,
    }
}

/// The kinds of entries; of notes, what they note.
pub(crate) fn kinds(entries: &[Numbered]) -> Vec<String> {
    let kind = |numbered: &Numbered| match &numbered.entry {
        Entry::Noted { what, .. } => what.clone(),
        entry => entry.kind().to_owned(),
    };
    entries.iter().map(kind).collect()
}

/// The facts of the first note of that kind.
pub(crate) fn noted(entries: &[Numbered], wanted: &str) -> Value {
    let facts = |numbered: &Numbered| match &numbered.entry {
        Entry::Noted { what, facts, .. } if what == wanted => Some(facts.clone()),
        _ => None,
    };
    entries.iter().find_map(facts).unwrap_or_default()
}
