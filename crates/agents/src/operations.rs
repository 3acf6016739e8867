use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use orchestrator_rpc::page::{Cursor, Limit, Page};
use orchestrator_rpc::{Call, Code, Error as Refusal, Operation, Scope, Table};
use orchestrator_vocab::{AgentId, Capability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Agent, Error, Kind, Profile, Registration, Registry, Role, Selection, Status};

/// The operations `agent.register`, `agent.unregister`, `agent.heartbeat`, `agent.get` and `agent.list`.
pub fn operations(registry: &Registry) -> Table {
    let register =
        operation(registry, "agent.register", Scope::Write, "Announces a worker, or enables a stopped agent", register);
    let unregister = operation(
        registry,
        "agent.unregister",
        Scope::Write,
        "Removes a worker, or disables another agent",
        unregister,
    );
    let heartbeat = operation(registry, "agent.heartbeat", Scope::Write, "Says that a worker is alive", heartbeat);
    let get = operation(registry, "agent.get", Scope::Read, "Shows an agent, with what its file says", get);
    let list = operation(registry, "agent.list", Scope::Read, "Lists agents by kind, type, tier, group and more", list);
    Table::new()
        .with(register.creates().fails_with([Code::NotFound, Code::Conflict]))
        .with(unregister.fails_with([Code::NotFound]))
        .with(heartbeat.free().fails_with([Code::NotFound]))
        .with(get.read_only().tool().fails_with([Code::NotFound]))
        .with(list.read_only().tool())
}

fn operation<P, R, F>(
    registry: &Registry,
    name: &'static str,
    scope: Scope,
    summary: &'static str,
    handler: impl Fn(Registry, Call, P) -> F + Send + Sync + 'static,
) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    let registry = registry.clone();
    Operation::new(name, scope, summary, move |call, params| handler(registry.clone(), call, params))
}

/// The parameters of `agent.register`. What is run is the operator's to configure: there is no way to say it here.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterParams {
    /// Its name: a configured program's, or a worker's own.
    pub agent_id: AgentId,
    /// Says that a configured program is meant; the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<AgentId>,
    /// What it can do, at most 64. Of a program, some of the configured ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub capabilities: Option<BTreeSet<Capability>>,
    /// How many tasks it may have at once, by default 1. Of a program, at most the configured number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_concurrent: Option<u32>,
    /// For people, up to 1,000 characters; workers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_000))]
    pub description: Option<String>,
    /// Not needed: registering the same again changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// The parameters of the operations about one agent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentParams {
    /// Its name.
    pub agent_id: AgentId,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Unregistered {
    agent_id: AgentId,
    /// Always true.
    unregistered: bool,
}

async fn register(registry: Registry, call: Call, params: RegisterParams) -> Result<Agent, Refusal> {
    let registration = Registration {
        agent: params.agent_id,
        program: params.program,
        capabilities: params.capabilities,
        max_concurrent: params.max_concurrent,
        description: params.description,
        actor: call.actor(),
        correlation: Some(call.correlation.clone()),
    };
    Ok(registry.register(call.org(), registration).await?)
}

async fn unregister(registry: Registry, call: Call, params: AgentParams) -> Result<Unregistered, Refusal> {
    let correlation = Some(call.correlation.clone());
    registry.unregister(call.org(), &params.agent_id, call.actor(), correlation).await?;
    Ok(Unregistered { agent_id: params.agent_id, unregistered: true })
}

async fn heartbeat(registry: Registry, call: Call, params: AgentParams) -> Result<Agent, Refusal> {
    registry.touch(call.org(), &params.agent_id).await?;
    Ok(registry.get(call.org(), &params.agent_id).await?)
}

/// The parameters of `agent.list`: everything that is given must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListParams {
    /// Of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// In this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Of this type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Of this tier, 0 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 3))]
    pub tier: Option<u8>,
    /// Can do this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Capability>,
    /// Belongs to this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How many agents at most.
    #[serde(default)]
    pub limit: Limit,
    /// Where to go on: `nextCursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// An agent, and what its file says.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    agent: Agent,
    /// What the file says, with what is taken over from those it extends; defined agents only.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Arc<Profile>>,
}

async fn get(registry: Registry, call: Call, params: AgentParams) -> Result<Shown, Refusal> {
    let agent = registry.get(call.org(), &params.agent_id).await?;
    Ok(Shown { definition: registry.profile(call.org(), &params.agent_id), agent })
}

async fn list(registry: Registry, call: Call, params: ListParams) -> Result<Page<Agent>, Refusal> {
    let after = params.cursor.map(|cursor| cursor.read::<AgentId>()).transpose()?;
    let limit = params.limit.get();
    if params.tier.is_some_and(|tier| tier > 3) {
        return Err(Refusal::invalid_field("tier", "expected 0 to 3"));
    }
    let selection = Selection {
        kind: params.kind,
        status: params.status,
        role: params.role,
        tier: params.tier,
        capability: params.capability,
        group: params.group,
    };
    let mut items = registry.select(call.org(), &selection, after.as_ref(), limit + 1).await?;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| has_more).map(|agent| Cursor::of(&agent.id));
    Ok(Page { items, next_cursor })
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) => Self::not_found(error.to_string()),
            Error::NoProgram(_) => Self::not_found(error.to_string()).with_field("program"),
            Error::Invalid { field, problem } => Self::invalid_field(field, problem),
            Error::TooMany { .. } | Error::Broken { .. } => Self::conflict(error.to_string()),
            Error::Store(_) => Self::unavailable(error.to_string()).with_source(error),
        }
    }
}
