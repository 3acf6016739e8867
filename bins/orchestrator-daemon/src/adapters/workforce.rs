use std::collections::BTreeSet;

use async_trait::async_trait;
use orchestrator_agents::{Agent, Kind, Role};
use orchestrator_tasks::{Accepts, Candidate, Error, Pool, Workforce};
use orchestrator_vocab::{AgentId, Capability, OrgId};
use tokio::sync::watch;

use super::Roster;

/// The scheduler's view of the agents there are.
#[derive(Debug, Clone)]
pub(crate) struct FromRegistry(pub(crate) Roster);

#[async_trait]
impl Workforce for FromRegistry {
    async fn agents(&self, org: OrgId) -> Result<Vec<Candidate>, Error> {
        let agents = self.0.registry().candidates(org).await.map_err(unavailable)?;
        Ok(agents.into_iter().map(|agent| candidate(&self.0, agent)).collect())
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        self.0.registry().orgs().await.map_err(unavailable)
    }

    async fn seen(&self, org: OrgId, agent: &AgentId) -> Result<(), Error> {
        self.0.registry().touch(org, agent).await.map_err(|error| match error {
            orchestrator_agents::Error::NotFound(agent) => Error::NoAgent(agent),
            other => unavailable(other),
        })
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.0.registry().changed()
    }
}

fn unavailable(error: orchestrator_agents::Error) -> Error {
    Error::Store(Box::new(error))
}

fn candidate(roster: &Roster, agent: Agent) -> Candidate {
    let mut capabilities: BTreeSet<Capability> = agent.capabilities.iter().cloned().collect();
    capabilities.extend(own_capability(&agent.id));
    capabilities.extend(agent.role.map(type_capability));
    let bounded = agent.role.and_then(|role| Some((role, roster.registry().max_of_type(role)?)));
    // What nothing here can run takes no tasks; that is no illness of its own.
    let is_run = agent.kind != Kind::Defined || roster.runs(agent.org, &agent.id);
    Candidate {
        max_concurrent: if is_run { agent.max_concurrent } else { 0 },
        attempts_max: attempts_max(roster, &agent),
        pool: bounded.map(|(role, max)| Pool { name: role.as_str().into(), max }),
        healthy: agent.works(),
        recent_failures: agent.recent_failures,
        accepts: match agent.kind {
            Kind::Program | Kind::Defined => Accepts::Push,
            Kind::Worker => Accepts::Pull,
        },
        ..Candidate::new(agent.id, capabilities)
    }
}

/// One attempt, and as many more as its charter lets it.
fn attempts_max(roster: &Roster, agent: &Agent) -> Option<u32> {
    let charter = roster.profile(agent.org, &agent.id)?.charter.clone()?;
    let retries = roster.charters().catalogue().get(&charter).ok()?.operational_settings.max_retries?;
    Some(retries.saturating_add(1))
}

/// What only this agent can do: be itself. A task that requires it is bound to the agent.
///
/// `None` for a name so long that the capability would be no name any more.
pub(crate) fn own_capability(agent: &AgentId) -> Option<Capability> {
    format!("agent.{agent}").parse().ok()
}

/// What every defined agent of a type can do: be of it.
pub(crate) fn type_capability(role: Role) -> Capability {
    format!("type.{role}").parse().expect("names of types are short and plain")
}
