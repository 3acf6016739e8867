use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use orchestrator_events::NewEvent;
use orchestrator_vocab::{AgentId, OrgId, ScheduleId, TaskId, Timestamp};

use crate::schedule::Schedule;
use crate::{Edge, Error, Priority, Query, Ready, ScheduleQuery, Status, Task};

/// What a [`Store`] carries out: reads and writes over [`Rows`]. It leaves its result where its maker put a place for it.
pub type Work = Arc<dyn for<'t> Fn(&'t dyn Rows) -> BoxFuture<'t, Result<(), Error>> + Send + Sync>;

/// What the backlog needs from storage: transactions over rows. Implementations must pass the conformance suite.
#[async_trait]
pub trait Store: Send + Sync {
    /// All of the writes and events of `work`, durably, or none of them if it fails.
    ///
    /// `work` may run again after a rollback (a conflict, or a neighbour in the same group that failed), so it has no
    /// effects but through its rows. It reads and refuses before its first write. Two works that read the same task
    /// run as if one came after the other.
    async fn transact(&self, work: Work) -> Result<(), Error>;

    /// Reads from one consistent view, without locking and without waiting for writers. A write fails.
    async fn read(&self, work: Work) -> Result<(), Error>;
}

/// The rows of the backlog within one transaction.
///
/// Every method is about one organisation unless its name or text says otherwise: rows of another are absent. Lists of
/// arguments may be empty (nothing happens, no statement is sent) and hold at most a few thousand elements, which an
/// implementation sends in as few statements as its backend allows.
#[async_trait]
pub trait Rows: Send + Sync {
    /// The time of this transaction: the same at each call. The injected clock's, or the database's if several daemons
    /// share it.
    fn now(&self) -> Timestamp;

    // --- tasks

    /// The tasks with these ids that exist, deleted ones included, in id order. Within [`Store::transact`] they are
    /// locked in that order, and are as last committed, until the transaction ends.
    async fn tasks(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<Task>, Error>;

    /// Adds tasks whose ids are new. An idempotency key that is taken is [`Error::Conflict`].
    async fn insert_tasks(&self, tasks: &[Task]) -> Result<(), Error>;

    /// Replaces tasks that were read by [`tasks`](Self::tasks) in this transaction. Org, id, `created_*`, idempotency
    /// key, concurrency key and schedule never change.
    async fn put_tasks(&self, tasks: &[Task]) -> Result<(), Error>;

    /// As [`put_tasks`](Self::put_tasks), for tasks that are finished or deleted: also who created them and their keys may be others.
    async fn rewrite_tasks(&self, tasks: &[Task]) -> Result<(), Error>;

    /// At most `limit` ids of tasks after `after`, in their order, those of deleted ones included. Not locked.
    async fn task_ids(&self, org: OrgId, after: Option<TaskId>, limit: usize) -> Result<Vec<TaskId>, Error>;

    /// The tasks that were created under these idempotency keys, deleted ones included.
    async fn created_under(&self, org: OrgId, keys: &[String]) -> Result<Vec<(String, TaskId)>, Error>;

    /// The tasks that match, without deleted ones, in the order of the query, at most `query.limit`. Not locked.
    async fn list(&self, org: OrgId, query: &Query) -> Result<Vec<Task>, Error>;

    /// How many tasks there are, without deleted ones.
    async fn counts(&self, org: OrgId) -> Result<Counts, Error>;

    /// How many tasks each agent holds in progress. Agents with none may be absent. Not locked.
    async fn running(&self, org: OrgId) -> Result<BTreeMap<AgentId, u32>, Error>;

    /// Waits until no other transaction has locked one of these agents, and locks them until this one ends, so that two
    /// claims for one agent come one after the other and [`running`](Self::running) holds for the second.
    async fn lock_agents(&self, org: OrgId, agents: &[AgentId]) -> Result<(), Error>;

    /// Tasks of *all* organisations whose [`Task::wake_at`] is at or before `now`, earliest first. Not locked: whoever
    /// acts on one reads it again.
    async fn to_wake(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, TaskId)>, Error>;

    /// Removes for good, with their edges, up to `limit` tasks of *all* organisations that finished, or were deleted,
    /// before `before`. Tasks that a task which is not finished still waits for (by an edge that is not met) stay.
    /// Returns how many were removed.
    async fn remove_finished(&self, before: Timestamp, limit: usize) -> Result<u64, Error>;

    // --- graph

    /// The edges by which these tasks wait for others, met ones included. In the order of (task, dependency).
    async fn edges_from(&self, org: OrgId, tasks: &[TaskId]) -> Result<Vec<Edge>, Error>;

    /// The edges by which others wait for these tasks, met ones included. In the order of (dependency, task).
    async fn edges_to(&self, org: OrgId, dependencies: &[TaskId]) -> Result<Vec<Edge>, Error>;

    /// Adds edges, or replaces the policy and the mark of edges that exist.
    ///
    /// # Errors
    /// [`Error::Cycle`] if the edges of the organisation, these included, would form a cycle; then nothing was written.
    /// Sound also if several daemons link at the same time.
    async fn link(&self, org: OrgId, edges: &[Edge]) -> Result<(), Error>;

    /// Removes edges, given as (task, dependency); absent ones are ignored.
    async fn unlink(&self, org: OrgId, edges: &[(TaskId, TaskId)]) -> Result<(), Error>;

    /// Sets the mark `met` of edges that exist, given as (task, dependency).
    async fn mark(&self, org: OrgId, edges: &[(TaskId, TaskId)], met: bool) -> Result<(), Error>;

    // --- ready index

    /// Adds rows, each replacing an older row of the same task.
    async fn ready_insert(&self, rows: &[Ready]) -> Result<(), Error>;

    /// Removes the rows of these tasks and returns the tasks whose rows were there. Rows that another transaction is
    /// removing at this moment are skipped, not waited for.
    async fn ready_remove(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<TaskId>, Error>;

    /// The classes ([`class_of`](crate::class_of)) that have rows, in order. The cost grows with the number of classes, not with the number of rows.
    async fn ready_classes(&self, org: OrgId) -> Result<Vec<String>, Error>;

    /// The first rows by (key, id) of each of these classes, at most `limit` of each, in any order. Not locked. The cost
    /// grows with the classes and the limit, not with the number of rows.
    async fn ready_heads(&self, org: OrgId, classes: &[String], limit: usize) -> Result<Vec<Ready>, Error>;

    /// Forgets what this process remembers of the ready index, so that the next look at it sees everything; whether it
    /// remembered anything. Until then, what another daemon added lately may be missing from
    /// [`ready_classes`](Self::ready_classes) and [`ready_heads`](Self::ready_heads).
    fn ready_afresh(&self, org: OrgId) -> bool {
        let _ = org;
        false
    }

    // --- concurrency keys

    /// How many slots of each of these concurrency keys are taken, in the order of the keys; locks them.
    async fn slots(&self, org: OrgId, keys: &[String]) -> Result<Vec<u32>, Error>;

    /// Sets how many slots of these keys are taken; all were read by [`slots`](Self::slots) in this transaction.
    async fn put_slots(&self, org: OrgId, slots: &[(String, u32)]) -> Result<(), Error>;

    /// The first rows of the line of a concurrency key by (key, id), lowest first.
    async fn line(&self, org: OrgId, concurrency_key: &str, limit: usize) -> Result<Vec<Ready>, Error>;

    /// Adds rows to the lines of their concurrency keys, each replacing an older row of the same task.
    async fn line_insert(&self, rows: &[(String, Ready)]) -> Result<(), Error>;

    /// Removes the rows of these tasks from whatever line they are in.
    async fn line_remove(&self, org: OrgId, ids: &[TaskId]) -> Result<(), Error>;

    // --- schedules

    /// The schedules with these ids that exist, in id order; locked like [`tasks`](Self::tasks).
    async fn schedules(&self, org: OrgId, ids: &[ScheduleId]) -> Result<Vec<Schedule>, Error>;

    /// Adds a schedule whose id is new. An idempotency key that is taken is [`Error::Conflict`].
    async fn insert_schedule(&self, schedule: &Schedule) -> Result<(), Error>;

    /// Replaces a schedule that was read in this transaction.
    async fn put_schedule(&self, schedule: &Schedule) -> Result<(), Error>;

    /// Removes a schedule and its occurrences; its tasks stay.
    async fn remove_schedule(&self, org: OrgId, id: ScheduleId) -> Result<(), Error>;

    /// The schedule that was created under this idempotency key.
    async fn schedule_created_under(&self, org: OrgId, key: &str) -> Result<Option<ScheduleId>, Error>;

    /// Schedules in the order of their ids.
    async fn list_schedules(&self, org: OrgId, query: &ScheduleQuery) -> Result<Vec<Schedule>, Error>;

    /// Schedules of *all* organisations that are not paused and whose `next_at` is at or before `now`, earliest first.
    /// Not locked.
    async fn schedules_due(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, ScheduleId)>, Error>;

    /// Whether this instant of a schedule was dealt with.
    async fn has_occurrence(&self, org: OrgId, schedule: ScheduleId, instant: Timestamp) -> Result<bool, Error>;

    /// Records that a schedule's instant was dealt with: by a task, or by a skip if there is none. False, and nothing is
    /// written, if it had been recorded before.
    async fn occurrence(
        &self,
        org: OrgId,
        schedule: ScheduleId,
        instant: Timestamp,
        task: Option<TaskId>,
    ) -> Result<bool, Error>;

    // --- log

    /// Appends events; they get their sequence numbers, in this order, when the transaction commits.
    async fn append(&self, events: Vec<NewEvent>) -> Result<(), Error>;
}

/// How large a backlog is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Tasks by status and priority; combinations without tasks may be absent.
    pub tasks: BTreeMap<(Status, Priority), u64>,
    /// How many tasks may be claimed now.
    pub ready: u64,
}
