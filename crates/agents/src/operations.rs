use std::collections::BTreeSet;
use std::future::Future;

use orchestrator_rpc::page::{Cursor, ListParams, Page};
use orchestrator_rpc::{Call, Code, Error as Refusal, Operation, Scope, Table};
use orchestrator_vocab::{AgentId, Capability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Agent, Error, Registration, Registry};

/// The operations `agent.register`, `agent.unregister`, `agent.heartbeat`, `agent.get` and `agent.list`.
pub fn operations(registry: &Registry) -> Table {
    let register =
        operation(registry, "agent.register", Scope::Write, "Announces a worker, or enables a program", register);
    let unregister =
        operation(registry, "agent.unregister", Scope::Write, "Removes a worker, or disables a program", unregister);
    let heartbeat = operation(registry, "agent.heartbeat", Scope::Write, "Says that a worker is alive", heartbeat);
    let get = operation(registry, "agent.get", Scope::Read, "Shows an agent", get);
    let list = operation(registry, "agent.list", Scope::Read, "Lists agents by name", list);
    Table::new()
        .with(register.creates().fails_with([Code::NotFound, Code::Conflict]))
        .with(unregister.fails_with([Code::NotFound]))
        .with(heartbeat.free().fails_with([Code::NotFound]))
        .with(get.read_only().fails_with([Code::NotFound]))
        .with(list.read_only())
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

async fn get(registry: Registry, call: Call, params: AgentParams) -> Result<Agent, Refusal> {
    Ok(registry.get(call.org(), &params.agent_id).await?)
}

async fn list(registry: Registry, call: Call, params: ListParams) -> Result<Page<Agent>, Refusal> {
    let after = params.cursor.map(|cursor| cursor.read::<AgentId>()).transpose()?;
    let limit = params.limit.get();
    let mut items = registry.list(call.org(), after.as_ref(), limit + 1).await?;
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
            Error::TooMany { .. } => Self::conflict(error.to_string()),
            Error::Store(_) => Self::unavailable(error.to_string()).with_source(error),
        }
    }
}
