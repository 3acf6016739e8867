//! Sessions over a store in memory and a backlog that answers as the test wants.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod journaled;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_events::{Delivery, Filter, Hub, Log as _, MemoryLog, Subscription};
use orchestrator_process::Host;
use orchestrator_sessions::{
    Answer, Brief, Config, Lease, MemoryStore, Node, Parts, Program, Runtime, Session, Sessions, StartRequest, Stop,
    Work, WorkError,
};
use orchestrator_vocab::{Actor, Label, OrgId, SessionId, SystemClock, TaskId, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

pub(crate) const LOCAL: OrgId = OrgId::LOCAL;

/// Fails a test that hangs; far above what anything here needs.
const TOO_LONG: Duration = Duration::from_secs(30);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TOO_LONG, future).await.expect("it comes in time")
}

/// What a session told the backlog.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Heartbeat(Option<Value>),
    Completed(Value),
    Failed(String),
    Released(String),
    Waits(String),
    GoesOn,
}

/// A backlog that writes down what it is told.
pub(crate) struct Backlog {
    told: watch::Sender<Vec<Told>>,
    /// Every holder is told that its task is lost.
    pub(crate) is_lost: AtomicBool,
    /// So many calls, heartbeats aside, fail before one is answered.
    pub(crate) unavailable: AtomicUsize,
    /// Results are refused.
    pub(crate) refuses_results: AtomicBool,
    /// What starts a session anew when it may go on.
    pub(crate) starting: Mutex<Option<(Sessions, Arc<dyn Runtime>)>>,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            told: watch::Sender::new(Vec::new()),
            is_lost: AtomicBool::default(),
            unavailable: AtomicUsize::default(),
            refuses_results: AtomicBool::default(),
            starting: Mutex::default(),
        }
    }
}

impl Backlog {
    /// Everything but heartbeats.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.borrow().iter().filter(|told| !matches!(told, Told::Heartbeat(_))).cloned().collect()
    }

    pub(crate) async fn until_told(&self, wanted: impl Fn(&Told) -> bool) {
        soon(self.told.subscribe().wait_for(|all| all.iter().any(&wanted))).await.expect("the sender lives");
    }

    fn answer(&self, told: Told) -> Result<Answer, WorkError> {
        if !matches!(told, Told::Heartbeat(_)) {
            let fails = self.unavailable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if fails.is_ok() {
                return Err(WorkError::Unavailable("out for lunch".into()));
            }
        }
        if matches!(told, Told::Completed(_)) && self.refuses_results.load(Ordering::SeqCst) {
            return Err(WorkError::Refused("too large".into()));
        }
        self.told.send_modify(|all| all.push(told));
        Ok(if self.is_lost.load(Ordering::SeqCst) { Answer::Lost } else { Answer::Accepted })
    }
}

#[async_trait]
impl Work for Backlog {
    async fn heartbeat(&self, _: &Lease, progress: Option<Value>) -> Result<Answer, WorkError> {
        self.answer(Told::Heartbeat(progress))
    }

    async fn complete(&self, _: &Lease, result: Value, _: Label) -> Result<Answer, WorkError> {
        self.answer(Told::Completed(result))
    }

    async fn fail(&self, _: &Lease, error: String) -> Result<Answer, WorkError> {
        self.answer(Told::Failed(error))
    }

    async fn release(&self, _: &Lease, reason: String, _: Option<Timestamp>) -> Result<Answer, WorkError> {
        self.answer(Told::Released(reason))
    }

    async fn go_on(&self, lease: &Lease) -> Result<Answer, WorkError> {
        let starting = self.starting.lock().unwrap().clone();
        let answer = self.answer(Told::GoesOn)?;
        if let Some((sessions, runtime)) = starting {
            let fence = lease.fence + 1;
            let request = StartRequest { runtime, task: lease.task, fence, ..request(Program::new(["true"])) };
            sessions.start(request).await.map_err(|error| WorkError::Refused(error.to_string()))?;
        }
        Ok(answer)
    }

    async fn wait(&self, _: &Lease, reason: String) -> Result<Answer, WorkError> {
        self.answer(Told::Waits(reason))
    }
}

pub(crate) struct Fixture {
    pub(crate) sessions: Sessions,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) parts: Parts,
    pub(crate) output: Subscription,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Parts)) -> Self {
        let (log, backlog) = (Arc::new(MemoryLog::default()), Arc::new(Backlog::default()));
        let hub = Hub::new(log.clone());
        let mut parts = Parts {
            store: Arc::new(MemoryStore::new(log.clone())),
            work: backlog.clone(),
            hub: hub.clone(),
            clock: Arc::new(SystemClock),
            node: Node { name: "n1".into(), epoch: 2 },
            config: Config { heartbeat_ms: 50, progress_ms: 0, retry_max_ms: 50, ..Config::default() },
            filter: None,
            host: Host::unconfined(format!("sessions-test-{}", SessionId::new())),
        };
        change(&mut parts);
        let output = hub.subscribe(LOCAL, Filter::parse(["stream.**"]).unwrap()).await.unwrap();
        Self { sessions: Sessions::new(parts.clone()).unwrap(), backlog, log, parts, output }
    }

    pub(crate) async fn start(&self, runtime: impl Runtime) -> SessionId {
        self.sessions.start(request(runtime)).await.unwrap().id
    }

    /// Runs a script to its end, and what it told the backlog at last.
    pub(crate) async fn run(&self, runtime: impl Runtime) -> (Session, Told) {
        let id = self.start(runtime).await;
        let session = self.ended(id).await;
        (session, self.backlog.told().pop().expect("the backlog was told"))
    }

    pub(crate) async fn ended(&self, id: SessionId) -> Session {
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

    /// The next piece of live output: the last part of its name, and what it says.
    pub(crate) async fn next(&mut self) -> (String, Value) {
        match soon(self.output.next()).await.unwrap() {
            Delivery::Transient(piece) => (piece.name.trim_start_matches("stream.").to_owned(), piece.payload.clone()),
            other => panic!("{other:?}"),
        }
    }

    /// The next line of output.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            let (name, payload) = self.next().await;
            if name == "chunk" {
                return payload["content"].as_str().unwrap().to_owned();
            }
        }
    }

    pub(crate) async fn pid(&mut self) -> u32 {
        self.line().await.parse().expect("a pid")
    }

    pub(crate) async fn events(&self, id: SessionId) -> Vec<String> {
        let events = self.log.read(LOCAL, 0, 1_000).await.unwrap();
        let subject = Some(id.to_string());
        let of_session = events.iter().filter(|event| event.subject == subject);
        of_session
            .map(|event| match (&*event.name, event.payload["status"].as_str()) {
                ("session.status", Some(status)) => status.to_owned(),
                (name, _) => name.trim_start_matches("session.").to_owned(),
            })
            .collect()
    }
}

pub(crate) fn request(runtime: impl Runtime) -> StartRequest {
    StartRequest {
        id: None,
        org: LOCAL,
        agent: "coder".parse().unwrap(),
        runtime: Arc::new(runtime),
        task: TaskId::new(),
        fence: 1,
        brief: Brief { kind: "general".into(), description: "say hello".into(), priority: "medium".into() },
        document: json!({ "title": "say hello" }),
        orchestrator: None,
        created_by: Actor::User("alice".into()),
        correlation: Some("c1".into()),
        traceparent: None,
    }
}

pub(crate) fn shell(script: &str) -> Program {
    Program { grace_ms: 100, ..Program::new(["/bin/sh", "-c", script]) }
}

pub(crate) fn stop(reason: &str) -> Stop {
    Stop { reason: Some(reason.to_owned()), force: false, actor: Actor::User("bob".into()) }
}

pub(crate) async fn gone(pid: u32) {
    soon(orchestrator_process::wait_gone(pid)).await;
}
