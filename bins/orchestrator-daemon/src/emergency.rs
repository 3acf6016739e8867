//! What an emergency stop ends, and what goes on after it.
//!
//! Tools, models and operations are refused and cut off where they are called (`stacks`); here are sessions, what is given to
//! them, and servers of tools.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use orchestrator_events::Hub;
use orchestrator_mcp::{ServerName, Servers};
use orchestrator_security::Emergency;
use orchestrator_security::emergency::Orders;
use orchestrator_sessions::Sessions;
use orchestrator_tasks::{Candidate, Error, Workforce};
use orchestrator_vocab::{Actor, AgentId, OrgId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::adapters::FromRegistry;
use crate::reactions::GoOn;

/// What sessions and their tasks are told. Why it was given is told by the event, to those who may know.
const REASON: &str = "emergency stop";

/// Ends sessions while a stop is in force, and lets them go on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Halting {
    emergency: Emergency,
    sessions: Sessions,
    going_on: GoOn,
    /// Whose sessions are held, or have not all gone on yet.
    resting: Arc<RwLock<BTreeSet<OrgId>>>,
}

impl Halting {
    pub(crate) fn new(emergency: Emergency, sessions: Sessions, going_on: GoOn) -> Self {
        Self { emergency, sessions, going_on, resting: Arc::default() }
    }

    /// Nothing starts, and what was stopped at the last start does not go on. Before anything runs.
    pub(crate) fn begin(&self) {
        for org in self.emergency.orders().orgs() {
            tracing::warn!(%org, "an emergency stop is in force: `orchestrator emergency status`");
        }
        self.hold(&self.emergency.orders());
    }

    /// Follows what is ordered.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut changed = self.emergency.changed();
        let mut going: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        loop {
            // A borrow must not be held while something is waited for.
            let orders = changed.borrow_and_update().clone();
            let released = self.hold(&orders);
            if !released.is_empty() {
                tracing::warn!(?released, "an emergency stop was released");
                // Beside the rest: a stop that follows must not wait for it.
                going.push(Box::pin(self.let_go(released)));
            }
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = changed.changed() => break,
                    Some(()) = going.next(), if !going.is_empty() => {}
                }
            }
        }
    }

    /// Holds the sessions of everybody who is stopped; whose order is in force no more.
    fn hold(&self, orders: &Orders) -> BTreeSet<OrgId> {
        let stopped: BTreeSet<OrgId> = orders.orgs().collect();
        let mut resting = self.resting.write().unwrap_or_else(PoisonError::into_inner);
        for org in &stopped {
            if resting.insert(*org) {
                tracing::warn!(%org, "emergency stop: every session is ended");
            }
            self.sessions.hold(whose(*org), REASON, Actor::system("emergency"));
        }
        resting.difference(&stopped).copied().collect()
    }

    /// The scheduler gives nothing to anybody before those that were interrupted have their tasks again.
    async fn let_go(&self, released: BTreeSet<OrgId>) {
        released.iter().for_each(|org| self.sessions.let_go(whose(*org)));
        if let Err(error) = self.going_on.run(|org| self.emergency.check(org).is_ok()).await {
            tracing::warn!(error = &*error, "interrupted sessions go on when their tasks are given out again");
        }
        let orders = self.emergency.orders();
        let mut resting = self.resting.write().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|org| !released.contains(org) || orders.of(*org).is_some());
    }

    /// Whether nothing is to be given to the agents of this organisation now.
    fn rests(&self, org: OrgId) -> bool {
        let resting = self.resting.read().unwrap_or_else(PoisonError::into_inner);
        resting.contains(&OrgId::LOCAL) || resting.contains(&org) || self.emergency.check(org).is_err()
    }
}

fn whose(org: OrgId) -> Option<OrgId> {
    (org != OrgId::LOCAL).then_some(org)
}

/// What was ordered at another daemon is heard of.
pub(crate) fn follow(hub: &Hub, emergency: Emergency) {
    hub.listen(move |event| {
        if event.name.starts_with("emergency.") {
            emergency.look();
        }
    });
}

/// The scheduler's view of agents: none takes anything while its organisation is stopped.
pub(crate) struct UnlessStopped {
    pub(crate) workforce: FromRegistry,
    pub(crate) halting: Halting,
}

#[async_trait]
impl Workforce for UnlessStopped {
    async fn agents(&self, org: OrgId) -> Result<Vec<Candidate>, Error> {
        let mut agents = self.workforce.agents(org).await?;
        if self.halting.rests(org) {
            agents.iter_mut().for_each(|agent| agent.max_concurrent = 0);
        }
        Ok(agents)
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        self.workforce.orgs().await
    }

    async fn seen(&self, org: OrgId, agent: &AgentId) -> Result<(), Error> {
        self.workforce.seen(org, agent).await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.workforce.changed()
    }
}

/// Keeps the conversation with a server of tools while nothing is stopped. Servers are the operator's: the order of another
/// organisation does not end them.
pub(crate) async fn keep_server(servers: &Servers, name: &ServerName, emergency: &Emergency, stop: CancellationToken) {
    while stop.run_until_cancelled(emergency.released(OrgId::LOCAL)).await.is_some() {
        // Dropped, its program is killed.
        if emergency.unless_stopped(OrgId::LOCAL, servers.run(name, stop.clone())).await.is_ok() {
            return;
        }
        servers.cut_off(name);
    }
}
