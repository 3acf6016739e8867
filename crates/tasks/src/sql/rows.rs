use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::Tx;
use orchestrator_vocab::{AgentId, OrgId, ScheduleId, TaskId, Timestamp};

use super::Shared;
use super::statement::Sql;
use super::tasks::Seen;
use crate::schedule::Schedule;
use crate::{Counts, Edge, Error, Query, Ready, Rows, ScheduleQuery, Task};

/// The rows within one transaction of the database.
pub(super) struct SqlRows<'t> {
    pub(super) tx: &'t Tx,
    pub(super) shared: Arc<Shared>,
    pub(super) writable: bool,
    pub(super) seen: Mutex<Seen>,
    now: Timestamp,
}

impl<'t> SqlRows<'t> {
    pub(super) fn new(tx: &'t Tx, shared: Arc<Shared>, now: Timestamp, writable: bool) -> Self {
        Self { tx, shared, writable, seen: Mutex::default(), now }
    }

    pub(super) fn sql(&self, text: &str) -> Sql {
        Sql::new(self.tx, text)
    }

    /// `:memory:` reads over the writer's connection, which would not refuse.
    fn writes(&self) -> Result<(), Error> {
        match self.writable {
            true => Ok(()),
            false => Err(Error::Store("a write in a transaction that only reads".into())),
        }
    }
}

#[async_trait]
impl Rows for SqlRows<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn tasks(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<Task>, Error> {
        self.read_tasks(org, ids).await
    }

    async fn insert_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        self.writes()?;
        self.add_tasks(tasks).await
    }

    async fn put_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        self.writes()?;
        self.replace_tasks(tasks).await
    }

    async fn rewrite_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        self.writes()?;
        self.write_over_tasks(tasks).await
    }

    async fn task_ids(&self, org: OrgId, after: Option<TaskId>, limit: usize) -> Result<Vec<TaskId>, Error> {
        self.find_ids(org, after, limit).await
    }

    async fn created_under(&self, org: OrgId, keys: &[String]) -> Result<Vec<(String, TaskId)>, Error> {
        self.find_keys(org, keys).await
    }

    async fn list(&self, org: OrgId, query: &Query) -> Result<Vec<Task>, Error> {
        self.find(org, query).await
    }

    async fn counts(&self, org: OrgId) -> Result<Counts, Error> {
        self.count(org).await
    }

    async fn running(&self, org: OrgId) -> Result<BTreeMap<AgentId, u32>, Error> {
        self.count_running(org).await
    }

    async fn lock_agents(&self, org: OrgId, agents: &[AgentId]) -> Result<(), Error> {
        self.hold_agents(org, agents).await
    }

    async fn to_wake(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, TaskId)>, Error> {
        self.find_to_wake(now, limit).await
    }

    async fn remove_finished(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        self.writes()?;
        self.delete_finished(before, limit).await
    }

    async fn edges_from(&self, org: OrgId, tasks: &[TaskId]) -> Result<Vec<Edge>, Error> {
        let mut edges = self.read_edges(org, "task", tasks).await?;
        edges.sort_unstable_by_key(|edge| (edge.task, edge.depends_on));
        Ok(edges)
    }

    async fn edges_to(&self, org: OrgId, dependencies: &[TaskId]) -> Result<Vec<Edge>, Error> {
        let mut edges = self.read_edges(org, "depends_on", dependencies).await?;
        edges.sort_unstable_by_key(|edge| (edge.depends_on, edge.task));
        Ok(edges)
    }

    async fn link(&self, org: OrgId, edges: &[Edge]) -> Result<(), Error> {
        self.writes()?;
        self.add_edges(org, edges).await
    }

    async fn unlink(&self, org: OrgId, edges: &[(TaskId, TaskId)]) -> Result<(), Error> {
        self.writes()?;
        self.remove_edges(org, edges).await
    }

    async fn mark(&self, org: OrgId, edges: &[(TaskId, TaskId)], met: bool) -> Result<(), Error> {
        self.writes()?;
        self.mark_edges(org, edges, met).await
    }

    async fn ready_insert(&self, rows: &[Ready]) -> Result<(), Error> {
        self.writes()?;
        self.add_ready(rows).await
    }

    async fn ready_remove(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<TaskId>, Error> {
        self.writes()?;
        self.take_ready(org, ids).await
    }

    async fn ready_classes(&self, org: OrgId) -> Result<Vec<String>, Error> {
        self.find_classes(org).await
    }

    async fn ready_heads(&self, org: OrgId, classes: &[String], limit: usize) -> Result<Vec<Ready>, Error> {
        self.find_heads(org, classes, limit).await
    }

    fn ready_afresh(&self, org: OrgId) -> bool {
        self.forget_floors(org)
    }

    async fn slots(&self, org: OrgId, keys: &[String]) -> Result<Vec<u32>, Error> {
        self.read_slots(org, keys).await
    }

    async fn put_slots(&self, org: OrgId, slots: &[(String, u32)]) -> Result<(), Error> {
        self.writes()?;
        self.write_slots(org, slots).await
    }

    async fn line(&self, org: OrgId, concurrency_key: &str, limit: usize) -> Result<Vec<Ready>, Error> {
        self.find_in_line(org, concurrency_key, limit).await
    }

    async fn line_insert(&self, rows: &[(String, Ready)]) -> Result<(), Error> {
        self.writes()?;
        self.add_to_line(rows).await
    }

    async fn line_remove(&self, org: OrgId, ids: &[TaskId]) -> Result<(), Error> {
        self.writes()?;
        self.take_from_line(org, ids).await
    }

    async fn schedules(&self, org: OrgId, ids: &[ScheduleId]) -> Result<Vec<Schedule>, Error> {
        self.read_schedules(org, ids).await
    }

    async fn insert_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        self.writes()?;
        self.write_schedule(schedule, "").await
    }

    async fn put_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        self.writes()?;
        self.replace_schedule(schedule).await
    }

    async fn remove_schedule(&self, org: OrgId, id: ScheduleId) -> Result<(), Error> {
        self.writes()?;
        self.delete_schedule(org, id).await
    }

    async fn schedule_created_under(&self, org: OrgId, key: &str) -> Result<Option<ScheduleId>, Error> {
        self.find_schedule_key(org, key).await
    }

    async fn list_schedules(&self, org: OrgId, query: &ScheduleQuery) -> Result<Vec<Schedule>, Error> {
        self.find_schedules(org, query).await
    }

    async fn schedules_due(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, ScheduleId)>, Error> {
        self.find_due(now, limit).await
    }

    async fn has_occurrence(&self, org: OrgId, schedule: ScheduleId, instant: Timestamp) -> Result<bool, Error> {
        self.find_occurrence(org, schedule, instant).await
    }

    async fn occurrence(
        &self,
        org: OrgId,
        schedule: ScheduleId,
        instant: Timestamp,
        task: Option<TaskId>,
    ) -> Result<bool, Error> {
        self.writes()?;
        self.add_occurrence(org, schedule, instant, task).await
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<(), Error> {
        self.writes()?;
        SqlLog::append(self.tx, events);
        Ok(())
    }
}
