//! What charters narrow of agents.

use std::sync::Arc;

use orchestrator_agents::{Catalogue, Fault as AgentFault, Profile, Runtime};
use orchestrator_charter::{Catalogue as Charters, Changes, Charter, Fault};
use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::Database;
use orchestrator_vocab::{Actor, AgentId, Clock, OrgId};
use serde_json::json;

/// What this daemon sees to of a charter's limits and settings. What is not here is told as not enforced.
pub(crate) const ENFORCED: &[&str] = &[
    "resourceLimits.maxSessions",
    "resourceLimits.maxTokensPerSession",
    "resourceLimits.maxConcurrentTasks",
    "resourceLimits.maxDuration",
    "operationalSettings.defaultModel",
    "operationalSettings.temperature",
    "operationalSettings.timeoutMs",
];

/// Complaints in one event.
const LISTED_MAX: usize = 200;

/// Takes an agent away whose charter is not there, and else holds it to that charter's limits.
pub(super) fn narrow(catalogue: &mut Catalogue, id: &AgentId, charters: &Charters) {
    let Some(profile) = catalogue.profiles.get(id).cloned() else { return };
    let Some(name) = &profile.charter else { return };
    match charters.get(name) {
        Err(missing) => catalogue.refuse(id, format!("charter: {missing}")),
        Ok(charter) => {
            if profile.runtime == Runtime::Program {
                catalogue.notes.push(outside(&profile));
            }
            catalogue.profiles.insert(id.clone(), Arc::new(under(&profile, charter)));
        }
    }
}

/// What one would not think.
fn outside(profile: &Profile) -> AgentFault {
    let problem = "charter: its own calls are not seen by the daemon; of the charter, limits on tasks and time hold";
    let (file, agent_id) = (profile.source.clone(), Some(profile.id.clone()));
    AgentFault { file, line: None, column: None, agent_id, problem: problem.to_owned() }
}

fn under(profile: &Profile, charter: &Charter) -> Profile {
    let mut profile = profile.clone();
    let limits = &mut profile.limits;
    limits.max_instances =
        charter.resource_limits.at_once().map_or(limits.max_instances, |most| most.min(limits.max_instances));
    limits.timeout_ms = [limits.timeout_ms, charter.time_ms()].into_iter().flatten().min();
    let settings = &charter.operational_settings;
    profile.model = profile.model.or_else(|| settings.default_model.clone());
    profile.temperature = profile.temperature.or(settings.temperature);
    profile
}

/// Where it is written down that charters are others.
#[derive(Clone)]
pub(crate) struct Announcer {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Announcer {
    /// They are in force by now; that it cannot be written down does not undo it.
    pub(super) async fn charters(&self, changes: &Changes, faults: &[Fault], actor: Actor) {
        let errors: Vec<String> = faults.iter().take(LISTED_MAX).map(ToString::to_string).collect();
        let Changes { added, changed, removed } = changes;
        let some = |ids: &[orchestrator_charter::CharterId]| ids.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>();
        let payload = json!({
            "orgId": OrgId::LOCAL, "added": some(added), "changed": some(changed), "removed": some(removed),
            "errors": errors,
        });
        let event = NewEvent::new(OrgId::LOCAL, "charter.definitions", self.clock.now(), actor, payload);
        let written = self.database.write(move |tx| {
            let event = event.clone();
            Box::pin(async move {
                SqlLog::append(tx, [event]);
                Ok::<(), orchestrator_sql::Error>(())
            })
        });
        if let Err(error) = written.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "charter.definitions could not be written");
        }
    }
}
