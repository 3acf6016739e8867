use std::collections::BTreeSet;

use async_trait::async_trait;
use orchestrator_agents::{Agent, Kind, Registry};
use orchestrator_tasks::{Accepts, Candidate, Error, Workforce};
use orchestrator_vocab::{AgentId, Capability, OrgId};
use tokio::sync::watch;

/// The scheduler's view of the registry.
#[derive(Debug, Clone)]
pub(crate) struct FromRegistry(pub(crate) Registry);

#[async_trait]
impl Workforce for FromRegistry {
    async fn agents(&self, org: OrgId) -> Result<Vec<Candidate>, Error> {
        Ok(self.0.candidates(org).await.map_err(unavailable)?.into_iter().map(candidate).collect())
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        self.0.orgs().await.map_err(unavailable)
    }

    async fn seen(&self, org: OrgId, agent: &AgentId) -> Result<(), Error> {
        self.0.touch(org, agent).await.map_err(|error| match error {
            orchestrator_agents::Error::NotFound(agent) => Error::NoAgent(agent),
            other => unavailable(other),
        })
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed()
    }
}

fn unavailable(error: orchestrator_agents::Error) -> Error {
    Error::Store(Box::new(error))
}

fn candidate(agent: Agent) -> Candidate {
    let mut capabilities: BTreeSet<Capability> = agent.capabilities.iter().cloned().collect();
    capabilities.extend(own_capability(&agent.id));
    Candidate {
        max_concurrent: agent.max_concurrent,
        healthy: agent.works(),
        recent_failures: agent.recent_failures,
        accepts: match agent.kind {
            Kind::Program | Kind::Defined => Accepts::Push,
            Kind::Worker => Accepts::Pull,
        },
        ..Candidate::new(agent.id, capabilities)
    }
}

/// What only this agent can do: be itself. A task that requires it is bound to the agent.
///
/// `None` for a name so long that the capability would be no name any more.
pub(crate) fn own_capability(agent: &AgentId) -> Option<Capability> {
    format!("agent.{agent}").parse().ok()
}
