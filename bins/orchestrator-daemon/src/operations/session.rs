use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator_events::{Delivery, Filter, Hub, Query};
use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_sessions::{SessionInfo, Sessions};
use orchestrator_tasks::{Backlog, Draft, Origin, Priority};
use orchestrator_vocab::{AgentId, Capability, OrgId, SessionId, TaskId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::adapters::{ORCHESTRATOR, own_capability};

/// How long `session.create` waits for an agent; the task goes on waiting.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest title made from a description, in characters.
const TITLE_CHARS_MAX: usize = 120;

/// The parameters of `session.create`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateParams {
    /// A free label of whoever asks.
    #[serde(default)]
    orchestrator_id: Option<String>,
    /// Which kind of session.
    session_type: SessionType,
    /// This agent and no other; else whichever fits.
    #[serde(default)]
    agent_id: Option<AgentId>,
    task: TaskParams,
    /// What an agent must be able to do.
    #[serde(default)]
    required_capabilities: BTreeSet<Capability>,
    /// Creating again under the same key answers the first session.
    #[serde(default)]
    #[expect(dead_code, reason = "it arrives in the call, also when it came as a header; here it is declared")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum SessionType {
    /// An agent program of the operator's configuration.
    Process,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TaskParams {
    /// What sort of work it is.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// What to do; its first line becomes the title.
    description: String,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    metadata: Map<String, Value>,
}

#[derive(Clone)]
struct Desk {
    backlog: Backlog,
    sessions: Sessions,
    hub: Hub,
}

/// `session.create`: a task, bound to an agent if one is named, and the session that works on it.
pub(super) fn table(backlog: Backlog, sessions: Sessions, hub: Hub) -> Table {
    let desk = Desk { backlog, sessions, hub };
    let create = move |call: Call, params: CreateParams| {
        let desk = desk.clone();
        async move { desk.create(&call, params).await }
    };
    let summary = "Creates a task and answers when an agent has begun to work on it";
    Table::new()
        .with(Operation::new("session.create", Scope::Write, summary, create).creates().fails_with([Code::Unavailable]))
}

impl Desk {
    async fn create(&self, call: &Call, params: CreateParams) -> Result<SessionInfo, Error> {
        let SessionType::Process = params.session_type;
        let draft = draft(params, call.idempotency_key.clone())?;
        let origin = Origin {
            correlation: Some(call.correlation.clone()),
            traceparent: call.traceparent.clone(),
            ..Origin::new(call.org(), call.actor())
        };
        let task = self.backlog.create(&origin, draft).await?.id;
        let waited = tokio::time::timeout(PATIENCE, self.session_of(call.org(), task)).await;
        let session = waited.map_err(|_| {
            Error::unavailable(format!("no agent has begun yet: {task} waits (task.explain says why)"))
                .with_data(json!({ "taskId": task }))
        })??;
        let session = self.sessions.get(call.org(), session).await?;
        Ok(self.sessions.info(&session))
    }

    /// Reads on from where the task was created, be that a moment or, under a repeated key, long ago.
    async fn session_of(&self, org: OrgId, task: TaskId) -> Result<SessionId, Error> {
        let query = Query { subject: Some(task.to_string()), limit: 1, ..Query::default() };
        let created = self.hub.log().query(org, query).await.map_err(Error::internal)?;
        let after = created.first().map_or(0, |event| event.seq);
        let wanted = Map::from_iter([("taskId".to_owned(), json!(task))]);
        let filter = Filter::parse(["session.created"]).map_err(Error::internal)?.with_fields(wanted);
        let mut events = self.hub.subscribe_after(org, filter, after);
        loop {
            if let Delivery::Event(event) = events.next().await.map_err(Error::internal)? {
                let id = event.payload["sessionId"].as_str().unwrap_or_default();
                return id.parse().map_err(Error::internal);
            }
        }
    }
}

fn draft(params: CreateParams, idempotency_key: Option<String>) -> Result<Draft, Error> {
    let TaskParams { kind, description, priority, mut metadata } = params.task;
    let title: String = description.lines().next().unwrap_or_default().trim().chars().take(TITLE_CHARS_MAX).collect();
    if title.is_empty() {
        return Err(Error::invalid_field("task.description", "expected a text that begins with a line"));
    }
    if let Some(label) = params.orchestrator_id {
        metadata.insert(ORCHESTRATOR.to_owned(), Value::String(label));
    }
    let mut required_capabilities = params.required_capabilities;
    if let Some(agent) = params.agent_id {
        let own = own_capability(&agent).ok_or_else(|| Error::invalid_field("agentId", "expected a shorter name"))?;
        required_capabilities.insert(own);
    }
    Ok(Draft {
        title,
        description,
        kind,
        priority,
        metadata,
        required_capabilities,
        idempotency_key,
        ..Draft::default()
    })
}
