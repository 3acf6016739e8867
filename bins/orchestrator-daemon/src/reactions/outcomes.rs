use std::sync::Arc;

use orchestrator_agents::{Outcome, Registry};
use orchestrator_events::{Event, Hub};
use orchestrator_vocab::AgentId;
use serde_json::Value;

/// The end of an attempt says something about the agent's health: a failure or a lost lease against it, a completion for it.
pub(crate) fn health_of_agents(hub: &Hub, registry: Registry) {
    hub.listen(move |event| {
        if let Some((agent, outcome)) = outcome(event) {
            registry.record_outcome(event.org, &agent, outcome);
        }
    });
}

fn outcome(event: &Arc<Event>) -> Option<(AgentId, Outcome)> {
    let text = |field: &str| event.payload.get(field).and_then(Value::as_str);
    let outcome = match (event.name.as_ref(), text("reason")) {
        ("task.completed", _) => Outcome::Succeeded,
        ("task.failed", _) | ("task.released", Some("failed" | "expired")) => Outcome::Failed,
        _ => return None,
    };
    Some((text("agentId")?.parse().ok()?, outcome))
}
