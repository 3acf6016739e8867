use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use orchestrator_events::{Hub, Numbering, SqlLog};
use orchestrator_models::{Ask, Attribution, Request, Router, Tool};
use orchestrator_process::Host;
use orchestrator_redact::Redactor;
use orchestrator_runtime_llm::{Limits, Llm, ModelAnswer, ModelError, ModelRequest, NoTools, Parts, Profile};
use orchestrator_sessions::{Answer, Brief, Config, Lease, Node, Sessions, SqlStore, StartRequest, Work, WorkError};
use orchestrator_sql::{Database, Options};
use orchestrator_vocab::{Actor, Label, OrgId, SystemClock, TaskId, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use crate::figure::{Aim, Figure, micros};
use crate::process::processor_time;
use crate::{Scale, models};

/// Calls of the model in each session; the last one ends it.
const TURNS: usize = 10;
/// Sessions at work at a time.
const AT_ONCE: usize = 8;

/// What a call of a model takes of the processor through router, attempt and the turn loop, with everything it does and is told in the
/// journal of its session before the next step.
pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let sessions = scale.of(500, 20);
    let place = tempfile::tempdir()?;
    let (all, llm, mut ended) = stage(&place.path().join("bench.db")).await?;
    let before = processor_time(std::process::id())?;
    for begun in 0..sessions {
        if begun >= AT_ONCE {
            ended.recv().await;
        }
        all.start(request(llm.clone())).await?;
    }
    for _ in 0..AT_ONCE.min(sessions) {
        ended.recv().await;
    }
    let taken = processor_time(std::process::id())?.saturating_sub(before);
    let conditions = format!(
        "{sessions} sessions of {TURNS} calls of a scripted model, the tool it wants refused each time, journal on SQLite, {AT_ONCE} at once"
    );
    let each = micros(taken) / (sessions * TURNS) as f64;
    Ok(vec![Figure::new("model.journaled", each, "µs CPU", conditions).aiming(Aim::AtMost(500.0))])
}

async fn stage(file: &std::path::Path) -> anyhow::Result<(Sessions, Arc<Llm>, mpsc::UnboundedReceiver<()>)> {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(&format!("sqlite:{}", file.display()), options).await?;
    let log = SqlLog::open(database.clone(), &numbering).await?;
    let (tell, ended) = mpsc::unbounded_channel();
    let sessions = Sessions::new(orchestrator_sessions::Parts {
        store: Arc::new(SqlStore::open(database).await?),
        work: Arc::new(Backlog(tell)),
        hub: Hub::new(Arc::new(log)),
        clock: Arc::new(SystemClock),
        node: Node { name: "node".into(), epoch: 1 },
        config: Config::default(),
        filter: None,
        host: Host::unconfined("bench"),
    })?;
    let call = |turn: usize| json!({"call": {"tool": "task_list", "arguments": {"limit": turn}}});
    let rule = |turn: usize| json!({"when": {"turn": turn}, "say": [call(turn)]});
    let mut rules: Vec<Value> = (1..TURNS).map(rule).collect();
    rules.push(json!({"say": [{"text": "that is all"}]}));
    let router = models::router(&json!({ "rules": rules }).to_string())?;
    let asking = service_fn(move |request: ModelRequest| asked(router.clone(), request));
    let llm = Llm::new(Parts {
        profile: Profile { system: "You do as you are told.".into(), limits: Limits::default(), ..Profile::default() },
        models: BoxCloneSyncService::new(asking),
        tools: Arc::new(NoTools),
        redactor: Redactor::builder().build(),
        memory: None,
    })?;
    Ok((sessions, Arc::new(llm), ended))
}

fn request(runtime: Arc<Llm>) -> StartRequest {
    StartRequest {
        id: None,
        org: OrgId::LOCAL,
        agent: "bench".parse().expect("a name"),
        runtime,
        task: TaskId::new(),
        fence: 1,
        brief: Brief { kind: "general".into(), description: "act".into(), priority: "medium".into() },
        document: json!({ "title": "Act", "description": "Do as you are told.", "label": Label::USER }),
        orchestrator: None,
        created_by: Actor::system("bench"),
        correlation: None,
        traceparent: None,
    }
}

/// As the daemon asks: the same request in the words of the router.
async fn asked(router: Router, request: ModelRequest) -> Result<ModelAnswer, ModelError> {
    let tool = |tool: orchestrator_runtime_llm::Offered| Tool {
        name: tool.wire_name(),
        description: tool.description,
        parameters: tool.parameters,
    };
    let asked = Request {
        system: request.system,
        tools: request.tools.into_iter().map(tool).collect(),
        ..Request::new("", request.messages)
    };
    let ask = Ask {
        org: request.org,
        attribution: Attribution::default(),
        model: request.model,
        may_fall_back: true,
        request: asked,
    };
    let answer = router.chat(ask).await.map_err(|error| ModelError::Refused(error.to_string()))?;
    Ok(ModelAnswer {
        model: answer.target.to_string(),
        trace: Some(answer.trace.to_string()),
        events: answer.stream.map(|event| event.map_err(|error| ModelError::Broken(error.to_string()))).boxed(),
    })
}

/// Tells that a session has ended.
struct Backlog(mpsc::UnboundedSender<()>);

impl Backlog {
    fn ended(&self) -> Result<Answer, WorkError> {
        // Nobody waits once everything is measured.
        let _ = self.0.send(());
        Ok(Answer::Accepted)
    }
}

#[async_trait]
impl Work for Backlog {
    async fn heartbeat(&self, _: &Lease, _: Option<Value>) -> Result<Answer, WorkError> {
        Ok(Answer::Accepted)
    }

    async fn complete(&self, _: &Lease, _: Value, _: Label) -> Result<Answer, WorkError> {
        self.ended()
    }

    async fn fail(&self, _: &Lease, error: String) -> Result<Answer, WorkError> {
        panic!("a session of the bench failed: {error}");
    }

    async fn release(&self, _: &Lease, _: String, _: Option<Timestamp>) -> Result<Answer, WorkError> {
        self.ended()
    }

    async fn wait(&self, _: &Lease, _: String) -> Result<Answer, WorkError> {
        self.ended()
    }

    async fn go_on(&self, _: &Lease) -> Result<Answer, WorkError> {
        Ok(Answer::Accepted)
    }
}
