//! Sessions in memory with a model that follows a script and tools that are counted.

#![expect(clippy::unwrap_used, reason = "a stage that cannot be set up is a test that fails")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use orchestrator_events::{Hub, MemoryLog};
use orchestrator_process::Host;
use orchestrator_redact::Redactor;
use orchestrator_runtime_llm::{
    Limits, Llm, ModelAnswer, ModelError, ModelRequest, Offered, Parts, Permitted, Profile, Refused, ToolAnswer,
    ToolRequest, Toolbox,
};
use orchestrator_sessions::{
    Answer, Brief, Config, Lease, MemoryStore, Node, Repeat, Sessions, StartRequest, Work, WorkError,
};
use orchestrator_transcript::{
    Block, Content, Message, Origin, Reply, Role, Stop, StopReason, ToolCall, ToolResultPart, Usage,
};
use orchestrator_vocab::{Actor, Label, OrgId, SystemClock, TaskId, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tower::service_fn;
use tower::util::BoxCloneSyncService;

/// What the model does in one turn.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    Say(&'static str),
    /// `(id, tool, arguments)`
    Call(Vec<(&'static str, &'static str, Value)>),
    /// Says a little, then breaks off; the next time it is asked the turn after it is played.
    Break,
    Fail(ModelError),
    /// Never answers.
    Hang,
}

/// How a task ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Completed(Value),
    Failed(String),
    Released(Option<Timestamp>),
    Waiting,
}

/// What is shared with the model and the tools.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) requests: Mutex<Vec<ModelRequest>>,
    /// How often each tool was called.
    pub(crate) effects: Mutex<HashMap<String, u32>>,
    pub(crate) hung: Notify,
    /// Lets tools named `gate.*` go on.
    pub(crate) open: Notify,
}

pub(crate) struct Stage {
    pub(crate) sessions: Sessions,
    /// What they are kept in, for whoever writes there behind their backs.
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) hub: Hub,
    pub(crate) seen: Arc<Seen>,
    pub(crate) ends: mpsc::UnboundedReceiver<End>,
    llm: Arc<Llm>,
}

impl Stage {
    pub(crate) fn new(script: Vec<Turn>) -> Self {
        Self::with(script, Limits::default())
    }

    pub(crate) fn with(script: Vec<Turn>, limits: Limits) -> Self {
        let log = Arc::new(MemoryLog::default());
        let hub = Hub::new(log.clone());
        let store = Arc::new(MemoryStore::new(log));
        let (tell, ends) = mpsc::unbounded_channel();
        let seen = Arc::new(Seen::default());
        let sessions = Sessions::new(orchestrator_sessions::Parts {
            store: store.clone(),
            work: Arc::new(Backlog(tell)),
            hub: hub.clone(),
            clock: Arc::new(SystemClock),
            node: Node { name: "node".into(), epoch: 1 },
            config: Config::default(),
            filter: None,
            host: Host::unconfined("stage"),
        })
        .unwrap();
        let (asked, played) = (seen.clone(), Arc::new(Mutex::new(script)));
        let models = BoxCloneSyncService::new(service_fn(move |request| play(asked.clone(), played.clone(), request)));
        let llm = Llm::new(Parts {
            profile: Profile { system: "You are on a stage.".into(), limits, ..Profile::default() },
            models,
            tools: Arc::new(Tools(seen.clone())),
            redactor: Redactor::builder().build(),
            memory: None,
        });
        Self { sessions, store, hub, seen, ends, llm: Arc::new(llm.unwrap()) }
    }

    pub(crate) async fn start(&self) -> orchestrator_sessions::Session {
        let request = StartRequest {
            id: None,
            org: OrgId::LOCAL,
            agent: "actor".parse().unwrap(),
            runtime: self.llm.clone(),
            task: TaskId::new(),
            fence: 1,
            brief: Brief { kind: "general".into(), description: "act".into(), priority: "medium".into() },
            document: json!({ "title": "Act", "description": "Do as the script says.", "label": Label::USER }),
            orchestrator: None,
            created_by: Actor::User("ada".into()),
            correlation: None,
            traceparent: None,
        };
        self.sessions.start(request).await.unwrap()
    }

    pub(crate) async fn run(&mut self) -> End {
        self.start().await;
        self.ends.recv().await.unwrap()
    }

    pub(crate) fn effects(&self, tool: &str) -> u32 {
        self.seen.effects.lock().unwrap().get(tool).copied().unwrap_or_default()
    }
}

async fn play(
    seen: Arc<Seen>,
    script: Arc<Mutex<Vec<Turn>>>,
    request: ModelRequest,
) -> Result<ModelAnswer, ModelError> {
    let turn = {
        let mut script = script.lock().unwrap();
        if script.is_empty() { Turn::Say("the script is over") } else { script.remove(0) }
    };
    seen.requests.lock().unwrap().push(request);
    let content = match turn {
        Turn::Fail(error) => return Err(error),
        Turn::Hang => {
            seen.hung.notify_one();
            return std::future::pending().await;
        }
        Turn::Say(text) => vec![Content::Text { text: text.into() }],
        Turn::Break => vec![Content::Text { text: "half of a sent".into() }],
        Turn::Call(ref calls) => calls
            .iter()
            .map(|(id, tool, arguments)| Content::ToolCall(ToolCall::parse(*id, *tool, &arguments.to_string())))
            .collect(),
    };
    let is_call = matches!(turn, Turn::Call(_));
    let message = Message {
        role: Role::Assistant,
        content: content.into_iter().map(|content| Block::new(Label::USER, content)).collect(),
        origin: Some(Origin { provider: "stage".into(), model: "script".into() }),
    };
    let reason = if is_call { StopReason::ToolUse } else { StopReason::EndTurn };
    let usage = Usage { input: 100, output: 10, ..Usage::default() };
    let reply = Reply { message, usage, stop: Stop::new(reason, "end"), id: None };
    let mut events: Vec<_> = reply.into_events().into_iter().map(Ok).collect();
    if matches!(turn, Turn::Break) {
        events.truncate(3);
    }
    Ok(ModelAnswer { events: stream::iter(events).boxed(), model: "stage/script".into(), trace: None })
}

struct Tools(Arc<Seen>);

#[async_trait]
impl Toolbox for Tools {
    fn offered(&self, standing: &[Value]) -> Vec<Offered> {
        let tool = |name: &str, repeat| Offered {
            name: name.into(),
            description: format!("does {name}"),
            parameters: json!({ "type": "object" }),
            repeat,
        };
        let all = [
            tool("fs.list", Repeat::Harmless),
            tool("gate.wait", Repeat::Harmless),
            tool("mail.send", Repeat::Effective),
            tool("rules.set", Repeat::Harmless),
            tool("system.stop", Repeat::Effective),
        ];
        all.into_iter().filter(|tool| !standing.contains(&json!({ "without": tool.name }))).collect()
    }

    async fn permit(&self, request: ToolRequest) -> Result<Permitted, Refused> {
        if request.tool == "system.stop" {
            return Err(Refused::Denied { reason: "system.stop is not in tools.allow".into() });
        }
        // One that is not offered any more comes by the name that models know.
        let tool = request.tool.replace('_', ".");
        if request.standing.contains(&json!({ "without": tool })) {
            return Err(Refused::Denied { reason: format!("a rule is against {tool}") });
        }
        let seen = self.0.clone();
        let run = async move {
            *seen.effects.lock().unwrap().entry(request.tool.clone()).or_default() += 1;
            if request.tool.starts_with("gate.") {
                seen.hung.notify_one();
                tokio::select! {
                    () = seen.open.notified() => {}
                    () = request.cancel.cancelled() => return ToolAnswer::failed("cancelled"),
                }
            }
            (request.progress)(json!({ "done": 1 }));
            let content = vec![ToolResultPart::Text { text: format!("{} did it", request.tool) }];
            let standing = (request.tool == "rules.set").then(|| request.call.arguments.clone());
            ToolAnswer { content, is_error: false, label: Label::default(), standing }
        };
        Ok(Permitted { reason: "the stage allows it".into(), run: Box::pin(run) })
    }
}

struct Backlog(mpsc::UnboundedSender<End>);

impl Backlog {
    fn end(&self, end: End) -> Result<Answer, WorkError> {
        let _ = self.0.send(end);
        Ok(Answer::Accepted)
    }
}

#[async_trait]
impl Work for Backlog {
    async fn heartbeat(&self, _: &Lease, _: Option<Value>) -> Result<Answer, WorkError> {
        Ok(Answer::Accepted)
    }

    async fn complete(&self, _: &Lease, result: Value, _: Label) -> Result<Answer, WorkError> {
        self.end(End::Completed(result))
    }

    async fn fail(&self, _: &Lease, error: String) -> Result<Answer, WorkError> {
        self.end(End::Failed(error))
    }

    async fn release(&self, _: &Lease, _: String, run_at: Option<Timestamp>) -> Result<Answer, WorkError> {
        self.end(End::Released(run_at))
    }

    async fn wait(&self, _: &Lease, _: String) -> Result<Answer, WorkError> {
        self.end(End::Waiting)
    }

    async fn go_on(&self, _: &Lease) -> Result<Answer, WorkError> {
        Ok(Answer::Accepted)
    }
}
