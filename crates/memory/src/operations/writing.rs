use std::collections::BTreeSet;

use orchestrator_rpc::{Call, Error as Refused, Scope as Right};
use orchestrator_vocab::{Integrity, SessionId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Here, MemoryParams, seen};
use crate::{Draft, Kind, Memories, Memory, MemoryId, Scope, State, Tier};

/// The parameters of `memory.store`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StoreParams {
    /// What is to be remembered.
    #[schemars(length(min = 1, max = 65_536), regex(pattern = r"\S"))]
    content: String,
    /// How long, and for whom.
    tier: Tier,
    /// What sort of thing it is.
    #[serde(rename = "type")]
    kind: Kind,
    /// The session it belongs to; a scratchpad has to have one.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// Who is to remember it: otherwise everybody of the organisation, and of what an agent stores, itself.
    #[serde(default)]
    scope: Option<Scope>,
    /// How certain it is, from 0 to 1; otherwise 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    confidence: Option<f32>,
    /// How much it matters, from 0 to 1; otherwise by its type.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    importance: Option<f32>,
    /// What it is taken from.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    sources: BTreeSet<String>,
    /// The people it is about.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    people: BTreeSet<String>,
    /// What else it is about.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    topics: BTreeSet<String>,
    /// From when on it holds.
    #[serde(default)]
    valid_from: Option<Timestamp>,
    /// Until when it held.
    #[serde(default)]
    valid_to: Option<Timestamp>,
    /// The memory that it takes the place of.
    #[serde(default)]
    supersedes: Option<MemoryId>,
    /// Anything else, up to 16 kB of JSON.
    #[serde(default)]
    metadata: Map<String, Value>,
    /// Storing again under the same key returns the first memory; up to 190 characters.
    #[serde(default)]
    #[schemars(length(min = 1, max = 190), regex(pattern = r"\S"))]
    #[expect(dead_code, reason = "read by whoever makes calls repeatable")]
    idempotency_key: Option<String>,
}

pub(super) async fn store(memories: Memories, call: Call, params: StoreParams) -> Result<Memory, Refused> {
    let base = Draft::new(params.tier, params.kind, params.content);
    let draft = Draft {
        session: params.session_id,
        confidence: params.confidence.unwrap_or(base.confidence),
        importance: params.importance.unwrap_or(base.importance),
        sources: params.sources,
        people: params.people,
        topics: params.topics,
        valid_from: params.valid_from,
        valid_to: params.valid_to,
        supersedes: params.supersedes,
        metadata: params.metadata,
        label: call.label(),
        ..base
    };
    if let Some(old) = draft.supersedes {
        seen(&memories, &call, old).await?;
    }
    let draft = allowed(&call, draft, params.scope)?;
    Ok(memories.store(call.org(), &call.actor(), draft).await?)
}

/// What an agent stores for others, and nobody vouches for, waits until somebody does. Nobody stores for another person.
pub(super) fn allowed(call: &Call, draft: Draft, scope: Option<Scope>) -> Result<Draft, Refused> {
    if let Some(acting) = &call.acting {
        let own = Scope::Agent(acting.agent.clone());
        let here = call.extensions.get::<Here>();
        let scope = scope.unwrap_or_else(|| own.clone());
        let user = here.and_then(|here| here.user.clone());
        if scope != own && scope != Scope::Organisation && user.map(Scope::User).as_ref() != Some(&scope) {
            return Err(Refused::forbidden(format!(
                "scope: an agent stores for itself, for everybody, and for whom it works, not for {scope}"
            )));
        }
        let is_vouched_for = draft.label.integrity >= Integrity::User || scope == own;
        let state = if is_vouched_for || draft.tier == Tier::Scratchpad { State::Active } else { State::Quarantined };
        let (session, task) = (here.and_then(|here| here.session), here.and_then(|here| here.task));
        let agent = Some(acting.agent.clone());
        // It has the scratchpad of the session it is in, and no other.
        return Ok(Draft { scope, state, session: session.or(draft.session), task, agent, ..draft });
    }
    let scope = scope.unwrap_or_default();
    match &scope {
        Scope::User(user) if *user != call.caller.subject && !call.caller.scopes.allows(Right::Admin) => {
            Err(Refused::forbidden(format!("scope: what {user} remembers is stored by them or by an administrator")))
        }
        _ => Ok(Draft { scope, ..draft }),
    }
}

pub(super) async fn confirm(memories: Memories, call: Call, params: MemoryParams) -> Result<Memory, Refused> {
    let memory = seen(&memories, &call, params.memory_id).await?;
    Ok(memories.confirm(call.org(), &call.actor(), memory.id).await?)
}

/// What `memory.delete` answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deleted {
    /// What is gone.
    memory_id: MemoryId,
    deleted: bool,
}

pub(super) async fn delete(memories: Memories, call: Call, params: MemoryParams) -> Result<Deleted, Refused> {
    let memory = seen(&memories, &call, params.memory_id).await?;
    memories.delete(call.org(), &call.actor(), memory.id).await?;
    Ok(Deleted { memory_id: memory.id, deleted: true })
}
