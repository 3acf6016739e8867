//! What charters narrow of agents.

use std::sync::Arc;

use orchestrator_agents::{Catalogue, Fault as AgentFault, Profile, Runtime};
use orchestrator_budget::{Limit, Scope, ScopeKind, Span};
use orchestrator_charter::{Catalogue as Charters, Changes, Charter, Fault, ResourceLimits};
use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::Database;
use orchestrator_vocab::{Actor, AgentId, Clock, NanoUsd, OrgId, Tokens};
use serde_json::json;

/// What this daemon sees to of a charter's limits and settings. What is not here is told as not enforced.
pub(crate) const ENFORCED: &[&str] = &[
    "resourceLimits.maxSessions",
    "resourceLimits.maxTokensPerSession",
    "resourceLimits.maxConcurrentTasks",
    "resourceLimits.tokenBudget.hourly",
    "resourceLimits.tokenBudget.daily",
    "resourceLimits.tokenBudget.weekly",
    "resourceLimits.tokenBudget.monthly",
    "resourceLimits.costBudget",
    "resourceLimits.maxDuration",
    "operationalSettings.defaultModel",
    "operationalSettings.temperature",
    "operationalSettings.timeoutMs",
    "operationalSettings.maxRetries",
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

/// What the agents under charters may spend, whatever else limits them.
pub(super) fn budgets(catalogue: &Catalogue, charters: &Charters) -> Vec<(OrgId, Limit)> {
    let under = catalogue.profiles.values().filter_map(|profile| {
        let charter = charters.get(profile.charter.as_ref()?).ok()?;
        // The names of agents are names of scopes: both are bounded alike.
        let scope = Scope::new(ScopeKind::Agent, profile.id.to_string()).ok()?;
        Some((profile.org, scope, &charter.resource_limits))
    });
    under.flat_map(|(org, scope, limits)| of_agent(&scope, limits).into_iter().map(move |limit| (org, limit))).collect()
}

fn of_agent(scope: &Scope, limits: &ResourceLimits) -> Vec<Limit> {
    let budget = &limits.token_budget;
    let spans = [
        (Span::Hour, budget.hourly, None),
        (Span::Day, budget.daily, limits.cost_budget.map(nano_usd)),
        (Span::Week, budget.weekly, None),
        (Span::Month, budget.monthly, None),
    ];
    let limit = |(window, tokens, usd): (Span, Option<u64>, Option<NanoUsd>)| {
        let tokens = tokens.map(Tokens);
        let is_limited = tokens.is_some() || usd.is_some();
        is_limited.then(|| Limit { scope: scope.clone(), window, tokens, usd, expires_at: None })
    };
    spans.into_iter().filter_map(limit).collect()
}

/// Charters say dollars as numbers; less than a billionth is nothing.
fn nano_usd(dollars: f64) -> NanoUsd {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is too large is the largest")]
    NanoUsd((dollars * 1e9).round() as u64)
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
        if let Err(error) = SqlLog::tell(&self.database, event).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "charter.definitions could not be written");
        }
    }
}
