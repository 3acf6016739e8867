use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_agents::{Agent, AgentParams, Changes, Fault, Kind, Role, Selection};
use orchestrator_charter::CharterId;
use orchestrator_rpc::{Call, Code, Error, NoParams, Operation, Scope, Table};
use orchestrator_sessions::{Query as SessionQuery, Session, SessionInfo, Sessions, Status as SessionStatus, Stop};
use orchestrator_tasks::{Backlog, Draft, Priority, Query, Status};
use orchestrator_vocab::{AgentId, Capability, OrgId, SessionId, TaskId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::adapters::{Parent, Roster, Spawned, narrowing, own_capability, type_capability};
use crate::operations::internal;

/// The longest title made from a prompt, in characters.
const TITLE_CHARS_MAX: usize = 120;
/// The longest reason of `agent.stop`, in characters.
const REASON_CHARS_MAX: usize = 1_000;
/// Tasks that `agent.status` shows, and sessions read at a time.
const TASKS_MAX: usize = 1_000;
/// Where a session may be that has not ended.
const ACTIVE: [SessionStatus; 4] =
    [SessionStatus::Initializing, SessionStatus::Running, SessionStatus::Paused, SessionStatus::Suspended];

/// The parameters of `agent.spawn`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpawnParams {
    /// This agent and no other. Either this or `type`.
    #[serde(default)]
    agent: Option<AgentId>,
    /// Whichever agent of this type is free first.
    #[serde(default)]
    r#type: Option<Role>,
    /// What it shall do; its first line becomes the title of the task.
    #[schemars(length(min = 1, max = 100_000), regex(pattern = r"^[^\x00\r\n]*[^\s\x00][^\x00]*$"))]
    prompt: String,
    /// How soon it should run compared with others.
    #[serde(default)]
    priority: Priority,
    /// What else it must be able to do.
    #[serde(default)]
    #[schemars(length(max = 31))]
    required_capabilities: BTreeSet<Capability>,
    /// Charters that hold beside the agent's own while it works on this, and for whomever it spawns: what they say of its calls, not
    /// their limits.
    #[serde(default)]
    #[schemars(length(max = 16))]
    charters: BTreeSet<CharterId>,
    /// For the creator's own use; no key may begin with `daemon.`.
    #[serde(default)]
    metadata: Map<String, Value>,
    /// Spawning again under the same key answers the first task.
    #[serde(default)]
    #[expect(dead_code, reason = "it arrives in the call, also when it came as a header; here it is declared")]
    idempotency_key: Option<String>,
}

/// A task that waits for its agent.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SpawnedTask {
    task_id: TaskId,
    /// How deep it is: 0 if a person asked.
    depth: u32,
}

/// How an agent is doing.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AgentStatus {
    agent: Agent,
    /// Whether this daemon could let it work: it is ready, and something runs it.
    runnable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// What all defined agents of its type may have at once together, if that is bounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_of_type: Option<u32>,
    /// The tasks it has, at most 1,000.
    tasks: Vec<TaskId>,
    /// Its sessions that have not ended.
    sessions: Vec<SessionInfo>,
}

/// The parameters of `agent.stop`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StopParams {
    agent_id: AgentId,
    /// Why, for the sessions and tasks that end by it.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    reason: Option<String>,
    /// Kills at once instead of asking first.
    #[serde(default)]
    force: bool,
}

/// What was stopped.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    agent_id: AgentId,
    /// Sessions that were ended; their tasks are back in the backlog.
    sessions: Vec<SessionId>,
    /// Sessions of other daemons: end them there.
    elsewhere: Vec<SessionId>,
}

/// What the files say now.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Reloaded {
    /// How many agents files define.
    defined: usize,
    added: Vec<AgentId>,
    changed: Vec<AgentId>,
    removed: Vec<AgentId>,
    /// What is wrong; an agent whose file is wrong is not there.
    errors: Vec<Fault>,
    /// What is kept and does nothing.
    notes: Vec<Fault>,
}

#[derive(Clone)]
struct Desk {
    roster: Roster,
    backlog: Backlog,
    sessions: Sessions,
}

/// `agent.spawn`, `agent.status`, `agent.stop` and `agent.reload`.
pub(super) fn table(roster: Roster, backlog: Backlog, sessions: Sessions) -> Table {
    let desk = Arc::new(Desk { roster, backlog, sessions });
    let (spawning, asked, stopping, reloading) = (desk.clone(), desk.clone(), desk.clone(), desk);
    let spawn = move |call: Call, params: SpawnParams| {
        let desk = spawning.clone();
        async move { desk.spawn(&call, params).await }
    };
    let status = move |call: Call, params: AgentParams| {
        let desk = asked.clone();
        async move { desk.status(call.org(), &params.agent_id).await }
    };
    let stop = move |call: Call, params: StopParams| {
        let desk = stopping.clone();
        async move { desk.stop(&call, params).await }
    };
    let reload = move |call: Call, NoParams {}| {
        let desk = reloading.clone();
        async move { desk.reload(&call).await }
    };
    let spawn_for = "Creates a task that an agent, or one of a type, works on";
    let stop_all = "Ends an agent's sessions and gives it nothing more until it is registered again";
    let read_again = "Reads the agents' files again and tells what changed (for the operator's organisation)";
    Table::new()
        .with(Operation::new("agent.spawn", Scope::Write, spawn_for, spawn).creates().tool().fails_with([
            Code::NotFound,
            Code::Conflict,
            Code::Forbidden,
        ]))
        .with(
            Operation::new("agent.status", Scope::Read, "Tells how an agent is doing, and what it works on", status)
                .read_only()
                .tool()
                .fails_with([Code::NotFound]),
        )
        .with(Operation::new("agent.stop", Scope::Write, stop_all, stop).fails_with([Code::NotFound]))
        .with(Operation::new("agent.reload", Scope::Admin, read_again, reload).fails_with([Code::Forbidden]))
}

impl Desk {
    async fn spawn(&self, call: &Call, params: SpawnParams) -> Result<SpawnedTask, Error> {
        let parent = call.extensions.get::<Parent>();
        let bound = self.bound(call.org(), &params).await?;
        let title: String =
            params.prompt.lines().next().unwrap_or_default().trim().chars().take(TITLE_CHARS_MAX).collect();
        if title.is_empty() {
            return Err(Error::invalid_field("prompt", "expected a text that begins with a line"));
        }
        let mut required_capabilities = params.required_capabilities;
        required_capabilities.insert(bound);
        let charters = narrowing(self.roster.charters(), call.org(), &params.charters)?;
        // What the agent may that asks, if one does, is noted by what holds for its call.
        let spawned = Spawned { by: call.actor(), depth: 0, parent: None, charters };
        let draft = Draft {
            title,
            description: params.prompt,
            priority: params.priority,
            required_capabilities,
            parent_id: parent.map(|parent| parent.task_id),
            metadata: params.metadata,
            reserved: spawned.metadata(),
            idempotency_key: call.idempotency_key.clone(),
            ..Draft::default()
        };
        let depth = parent.map_or(0, Parent::below);
        Ok(SpawnedTask { task_id: self.backlog.create(&call.into(), draft).await?.id, depth })
    }

    /// What the task requires so that only the wanted agents get it.
    async fn bound(&self, org: OrgId, params: &SpawnParams) -> Result<Capability, Error> {
        match (&params.agent, params.r#type) {
            (Some(id), None) => {
                let agent = self.roster.registry().get(org, id).await?;
                match self.roster.why_not(&agent) {
                    Some(problem) => Err(Error::conflict(problem)),
                    None => own_capability(id).ok_or_else(|| Error::invalid_field("agent", "expected a shorter name")),
                }
            }
            (None, Some(role)) => {
                let selection = Selection { kind: Some(Kind::Defined), role: Some(role), ..Selection::default() };
                let agents = self.roster.registry().select(org, &selection, None, usize::MAX).await?;
                let problems: Vec<Option<String>> = agents.iter().map(|agent| self.roster.why_not(agent)).collect();
                match problems.iter().any(Option::is_none) {
                    true => Ok(type_capability(role)),
                    false => {
                        let why = problems.into_iter().flatten().next();
                        let why = why.unwrap_or_else(|| format!("no file defines an agent of the type `{role}`"));
                        Err(Error::conflict(why))
                    }
                }
            }
            _ => Err(Error::invalid_field("agent", "expected either `agent` or `type`")),
        }
    }

    async fn status(&self, org: OrgId, id: &AgentId) -> Result<AgentStatus, Error> {
        let agent = self.roster.registry().get(org, id).await?;
        let statuses = vec![Status::InProgress];
        let query = Query { owner: Some(id.clone()), statuses, limit: TASKS_MAX, ..Query::default() };
        let tasks = self.backlog.list(org, query).await?;
        let sessions = self.sessions_of(org, id).await?;
        let problem = self.roster.why_not(&agent);
        Ok(AgentStatus {
            runnable: problem.is_none(),
            problem,
            max_of_type: agent.role.and_then(|role| self.roster.registry().max_of_type(role)),
            agent,
            tasks: tasks.into_iter().map(|task| task.id).collect(),
            sessions: sessions.iter().map(|session| self.sessions.info(session)).collect(),
        })
    }

    async fn stop(&self, call: &Call, params: StopParams) -> Result<Stopped, Error> {
        let (org, id) = (call.org(), params.agent_id);
        if params.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
            return Err(Error::invalid_field("reason", format!("expected at most {REASON_CHARS_MAX} characters")));
        }
        // First, so that it gets nothing new meanwhile.
        self.roster.registry().unregister(org, &id, call.actor(), Some(call.correlation.clone())).await?;
        let (mut stopped, mut elsewhere) = (Vec::new(), Vec::new());
        for session in self.sessions_of(org, &id).await? {
            let reason = params.reason.clone().or_else(|| Some(format!("agent `{id}` was stopped")));
            let stop = Stop { reason, force: params.force, actor: call.actor() };
            match self.sessions.stop(org, session.id, stop).await {
                Ok(_) => stopped.push(session.id),
                Err(orchestrator_sessions::Error::Elsewhere { .. }) => elsewhere.push(session.id),
                // It has ended by itself.
                Err(orchestrator_sessions::Error::Transition(_) | orchestrator_sessions::Error::Ended(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Stopped { agent_id: id, sessions: stopped, elsewhere })
    }

    async fn sessions_of(&self, org: OrgId, id: &AgentId) -> Result<Vec<Session>, Error> {
        let mut found = Vec::new();
        for status in ACTIVE {
            let mut offset = 0;
            loop {
                let query = SessionQuery { status: Some(status), limit: TASKS_MAX, offset };
                let page = self.sessions.list(org, query).await?.sessions;
                let is_last = page.len() < TASKS_MAX;
                found.extend(page.into_iter().filter(|session| session.agent == *id));
                if is_last {
                    break;
                }
                offset += TASKS_MAX;
            }
        }
        Ok(found)
    }

    async fn reload(&self, call: &Call) -> Result<Reloaded, Error> {
        if call.org() != OrgId::LOCAL {
            return Err(Error::forbidden("only the operator's organisation may have the agents' files read"));
        }
        let reloaded = self.roster.reload(call.actor()).await.map_err(internal)?;
        let Changes { added, changed, removed } = reloaded.changes;
        let catalogue = reloaded.catalogue;
        Ok(Reloaded {
            defined: catalogue.profiles.len(),
            added,
            changed,
            removed,
            errors: catalogue.faults.clone(),
            notes: catalogue.notes.clone(),
        })
    }
}
