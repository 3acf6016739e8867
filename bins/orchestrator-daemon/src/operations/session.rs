use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator_agents::{Agent, Kind};
use orchestrator_charter::CharterId;
use orchestrator_events::{Delivery, Filter, Follower, Hub, Query, Subscription};
use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_sessions::{SessionInfo, Sessions};
use orchestrator_tasks::{Backlog, Draft, Priority};
use orchestrator_vocab::{AgentId, Capability, OrgId, SessionId, TaskId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::adapters::{ORCHESTRATOR, Roster, Spawned, narrowing, own_capability};

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
    /// Charters that hold beside the agent's own in this session, and for whomever it spawns: what they say of its calls, not their
    /// limits.
    #[serde(default)]
    #[schemars(length(max = 16))]
    charters: BTreeSet<CharterId>,
    /// Also subscribes this WebSocket to what happens to the session and its task, under the session's id. Unless said
    /// otherwise, only clients of protocol v2 are.
    #[serde(default)]
    subscribe: Option<bool>,
    /// Creating again under the same key answers the first session.
    #[serde(default)]
    #[expect(dead_code, reason = "it arrives in the call, also when it came as a header; here it is declared")]
    idempotency_key: Option<String>,
}

/// The parameters of `session.execute`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExecuteParams {
    /// The session whose agent shall do more.
    session_id: SessionId,
    task: TaskParams,
    /// As for `session.create`.
    #[serde(default)]
    subscribe: Option<bool>,
    /// With `subscribe`: also what the agent prints.
    #[serde(default = "yes")]
    stream: bool,
    /// Calling again under the same key answers the first session.
    #[serde(default)]
    #[expect(dead_code, reason = "as above")]
    idempotency_key: Option<String>,
}

fn yes() -> bool {
    true
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
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[^\x00]*[^\s\x00][^\x00]*$"))]
    kind: Option<String>,
    /// What to do; its first line becomes the title.
    #[schemars(length(min = 1, max = 100_000), regex(pattern = r"^[^\x00\r\n]*[^\s\x00][^\x00]*$"))]
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
    roster: Roster,
}

/// `session.create`: a task, bound to an agent if one is named, and the session that works on it. `session.execute`: a
/// further task for the agent of a session, which works on it in a session of its own.
pub(super) fn table(backlog: Backlog, sessions: Sessions, hub: Hub, roster: Roster) -> Table {
    let desk = Desk { backlog, sessions, hub, roster };
    let creating = desk.clone();
    let create = move |call: Call, params: CreateParams| {
        let desk = creating.clone();
        async move { desk.create(&call, params).await }
    };
    let execute = move |call: Call, params: ExecuteParams| {
        let desk = desk.clone();
        async move { desk.execute(&call, params).await }
    };
    let summary = "Creates a task and answers when an agent has begun to work on it";
    let more = "Gives the agent of a session a further task and answers when it has begun";
    let refusals = [Code::NotFound, Code::Unavailable];
    Table::new()
        .with(
            Operation::new("session.create", Scope::Write, summary, create)
                .creates()
                .fails_with([Code::Conflict, Code::Unavailable]),
        )
        .with(Operation::new("session.execute", Scope::Write, more, execute).creates().fails_with(refusals))
}

/// Whether, and to what of a session, the caller's connection is to be subscribed.
struct Following {
    said: Option<bool>,
    stream: bool,
}

impl Desk {
    async fn create(&self, call: &Call, params: CreateParams) -> Result<SessionInfo, Error> {
        let SessionType::Process = params.session_type;
        let following = Following { said: params.subscribe, stream: true };
        let charters = narrowing(self.roster.charters(), call.org(), &params.charters)?;
        let draft = draft(params, call.idempotency_key.clone())?;
        self.begin(call, under(draft, call, charters), &following).await
    }

    async fn execute(&self, call: &Call, params: ExecuteParams) -> Result<SessionInfo, Error> {
        let before = self.sessions.get(call.org(), params.session_id).await?;
        let following = Following { said: params.subscribe, stream: params.stream };
        let create = CreateParams {
            orchestrator_id: before.orchestrator,
            session_type: SessionType::Process,
            agent_id: Some(before.agent),
            task: params.task,
            required_capabilities: BTreeSet::new(),
            charters: BTreeSet::new(),
            subscribe: None,
            idempotency_key: None,
        };
        // What the session was put under holds for what comes after it.
        let (task, _) = self.backlog.get(call.org(), before.task).await?;
        let charters = Spawned::charters_of(&task);
        let draft = Draft { parent_id: Some(before.task), ..draft(create, call.idempotency_key.clone())? };
        self.begin(call, under(draft, call, charters), &following).await
    }

    async fn begin(&self, call: &Call, draft: Draft, following: &Following) -> Result<SessionInfo, Error> {
        self.check_somebody_can(call.org(), &draft.required_capabilities).await?;
        let task = self.backlog.create(&call.into(), draft).await?.id;
        let follower = call.extensions.get::<Follower>().filter(|follower| follower.is_wanted(following.said));
        let followed = match follower {
            // Before there is a session, so that nothing it prints is missed.
            Some(follower) => Some((follower, self.follow(call.org(), task, following.stream).await?)),
            None => None,
        };
        let waited = tokio::time::timeout(PATIENCE, self.session_of(call.org(), task)).await;
        let session = waited.map_err(|_| {
            Error::unavailable(format!("no agent has begun yet: {task} waits (task.explain says why)"))
                .with_data(json!({ "taskId": task }))
        })??;
        if let Some((follower, subscription)) = followed {
            follower.follow(&session.to_string(), subscription)?;
        }
        let session = self.sessions.get(call.org(), session).await?;
        Ok(self.sessions.info(&session))
    }

    /// Nobody waits for an agent that there is not.
    async fn check_somebody_can(&self, org: OrgId, required: &BTreeSet<Capability>) -> Result<(), Error> {
        let agents = self.roster.registry().candidates(org).await?;
        // One that is unhealthy comes back by itself; one that was unregistered does not.
        let can = |agent: &Agent| {
            let own = own_capability(&agent.id);
            let has =
                |capability: &Capability| agent.capabilities.contains(capability) || own.as_ref() == Some(capability);
            agent.kind != Kind::Worker && self.roster.why_not(agent).is_none() && required.iter().all(has)
        };
        if agents.iter().any(can) {
            return Ok(());
        }
        let required: Vec<&str> = required.iter().map(Capability::as_str).collect();
        let message = format!("no agent program of this organisation can do this: [{}]", required.join(", "));
        Err(Error::conflict(message).with_data(json!({ "requiredCapabilities": required })))
    }

    /// What happens to the task and the session that works on it, from the creation of the task on.
    async fn follow(&self, org: OrgId, task: TaskId, stream: bool) -> Result<Subscription, Error> {
        let names: &[&str] = if stream { &["session.*", "task.*", "stream.*"] } else { &["session.*", "task.*"] };
        let wanted = Map::from_iter([("taskId".to_owned(), json!(task))]);
        let filter = Filter::parse(names).map_err(Error::internal)?.with_fields(wanted);
        Ok(self.hub.subscribe_after(org, filter, self.created_at(org, task).await?))
    }

    /// The number of the event of the task's creation, be that a moment or, under a repeated key, long ago.
    async fn created_at(&self, org: OrgId, task: TaskId) -> Result<u64, Error> {
        let query = Query { subject: Some(task.to_string()), limit: 1, ..Query::default() };
        let created = self.hub.log().query(org, query).await.map_err(Error::internal)?;
        Ok(created.first().map_or(0, |event| event.seq))
    }

    /// Reads on from where the task was created.
    async fn session_of(&self, org: OrgId, task: TaskId) -> Result<SessionId, Error> {
        let after = self.created_at(org, task).await?;
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

fn under(draft: Draft, call: &Call, charters: BTreeSet<String>) -> Draft {
    if charters.is_empty() {
        return draft;
    }
    let spawned = Spawned { by: call.actor(), depth: 0, parent: None, charters };
    Draft { reserved: spawned.metadata(), ..draft }
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
