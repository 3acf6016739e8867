use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_vocab::{AgentId, OrgId, TaskId};

use super::Backlog;
use crate::{Candidate, Counts, Edge, Error, Explanation, Query, Task, check, explain};

impl Backlog {
    /// A task and its dependencies.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, org: OrgId, id: TaskId) -> Result<(Task, Vec<Edge>), Error> {
        self.read(move |rows| {
            Box::pin(async move {
                let task = rows.tasks(org, &[id]).await?.pop().filter(|task| task.deleted_at.is_none());
                let edges = rows.edges_from(org, &[id]).await?;
                Ok((task.ok_or(Error::NotFound(id))?, edges))
            })
        })
        .await
    }

    /// The tasks that match.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the limit is above 1,000.
    pub async fn list(&self, org: OrgId, query: Query) -> Result<Vec<Task>, Error> {
        check::count("limit", query.limit, crate::LIST_LIMIT_MAX)?;
        let query = Arc::new(query);
        self.read(move |rows| {
            let query = query.clone();
            Box::pin(async move { rows.list(org, &query).await })
        })
        .await
    }

    /// How many tasks there are, by status and priority, and how many may be claimed now.
    pub async fn counts(&self, org: OrgId) -> Result<Counts, Error> {
        self.read(move |rows| Box::pin(async move { rows.counts(org).await })).await
    }

    /// How many tasks each agent holds in progress.
    pub async fn running(&self, org: OrgId) -> Result<BTreeMap<AgentId, u32>, Error> {
        self.read(move |rows| Box::pin(async move { rows.running(org).await })).await
    }

    /// How long the tasks at the heads of the ready index have been waiting at most; `None` if nothing is ready.
    pub async fn oldest_ready(&self, org: OrgId) -> Result<Option<Duration>, Error> {
        let step = self.config().ageing_step();
        self.read(move |rows| Box::pin(async move { explain::oldest_ready(rows, org, step).await })).await
    }

    /// Why a task is where it is. `agents` are all agents of the organisation.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn explain(&self, org: OrgId, id: TaskId, agents: Vec<Candidate>) -> Result<Explanation, Error> {
        let (config, agents) = (self.config(), Arc::new(agents));
        self.read(move |rows| {
            let (config, agents) = (config.clone(), agents.clone());
            Box::pin(async move { explain::explain(rows, &config, org, id, &agents).await })
        })
        .await
    }
}
