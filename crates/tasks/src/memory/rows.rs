use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_vocab::{AgentId, OrgId, ScheduleId, TaskId, Timestamp};

use super::data::{Data, Mark, highest, lowest};
use crate::schedule::Schedule;
use crate::{Counts, Edge, Error, Order, Query, Ready, Rows, ScheduleQuery, Task};

/// The rows within one transaction, with a journal to undo it.
pub(super) struct MemoryRows<'a> {
    inner: Mutex<Inner<'a>>,
    now: Timestamp,
}

pub(super) struct Inner<'a> {
    pub(super) data: &'a mut Data,
    journal: Vec<Undo>,
    events: Vec<NewEvent>,
    writable: bool,
}

/// Sets a row to what it was.
pub(super) enum Undo {
    Task(OrgId, TaskId, Option<Arc<Task>>),
    Edge(OrgId, TaskId, TaskId, Option<Mark>),
    Ready(OrgId, TaskId, Option<Ready>),
    Line(OrgId, TaskId, Option<(String, Ready)>),
    Slots(OrgId, String, u32),
    Schedule(OrgId, ScheduleId, Option<Arc<Schedule>>),
    Occurrence(OrgId, ScheduleId, Timestamp, Option<Option<TaskId>>),
}

impl<'a> MemoryRows<'a> {
    pub(super) fn new(data: &'a mut Data, now: Timestamp, writable: bool) -> Self {
        let inner = Inner { data, journal: Vec::new(), events: Vec::new(), writable };
        Self { inner: Mutex::new(inner), now }
    }

    /// The events to append.
    pub(super) fn commit(self) -> Vec<NewEvent> {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner).events
    }

    pub(super) fn roll_back(self) {
        let mut inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        while let Some(undo) = inner.journal.pop() {
            inner.undo(undo);
        }
    }

    pub(super) fn look(&self) -> MutexGuard<'_, Inner<'a>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For writing; refused in a reading transaction.
    pub(super) fn write(&self) -> Result<MutexGuard<'_, Inner<'a>>, Error> {
        let inner = self.look();
        match inner.writable {
            true => Ok(inner),
            false => Err(Error::Store("a write in a transaction that only reads".into())),
        }
    }
}

impl Inner<'_> {
    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Task(org, id, task) => drop(self.data.set_task(org, id, task)),
            Undo::Ready(org, id, row) => drop(self.data.set_ready(org, id, row)),
            Undo::Line(org, id, row) => drop(self.data.set_line(org, id, row)),
            Undo::Slots(org, key, taken) => drop(self.data.set_slots(org, &key, taken)),
            Undo::Schedule(org, id, schedule) => drop(self.data.set_schedule(org, id, schedule)),
            Undo::Occurrence(org, id, instant, Some(task)) => {
                self.data.occurrences.insert((org, id, instant), task);
            }
            Undo::Occurrence(org, id, instant, None) => {
                self.data.occurrences.remove(&(org, id, instant));
            }
            Undo::Edge(org, task, on, mark) => {
                let graph = self.data.graphs.entry(org).or_default();
                match mark {
                    // The graph was free of cycles when this edge was there.
                    Some(_) => drop(graph.add(&[(task, on)])),
                    None => graph.remove(&[(task, on)]),
                }
                self.data.set_edge(org, task, on, mark);
            }
        }
    }

    pub(super) fn note(&mut self, undo: Undo) {
        self.journal.push(undo);
    }

    fn put_task(&mut self, task: &Task) {
        let old = self.data.set_task(task.org, task.id, Some(Arc::new(task.clone())));
        self.note(Undo::Task(task.org, task.id, old));
    }

    fn put_edge(&mut self, edge: &Edge) {
        let mark = Mark { on_failure: edge.on_failure, met: edge.met };
        let old = self.data.set_edge(edge.org, edge.task, edge.depends_on, Some(mark));
        self.note(Undo::Edge(edge.org, edge.task, edge.depends_on, old));
    }

    fn remove_edge(&mut self, org: OrgId, task: TaskId, on: TaskId) {
        if let Some(old) = self.data.set_edge(org, task, on, None) {
            self.data.graphs.entry(org).or_default().remove(&[(task, on)]);
            self.note(Undo::Edge(org, task, on, Some(old)));
        }
    }

    fn remove_task(&mut self, org: OrgId, id: TaskId) {
        let edges: Vec<Edge> = self.data.depends_on(org, id).chain(self.data.awaited_by(org, id)).collect();
        for edge in edges {
            self.remove_edge(org, edge.task, edge.depends_on);
        }
        let old = self.data.set_task(org, id, None);
        self.note(Undo::Task(org, id, old));
    }

    /// Whether a task that has not finished still waits for this one.
    fn is_awaited(&self, org: OrgId, id: TaskId) -> bool {
        let unfinished = |task: TaskId| self.data.tasks.get(&(org, task)).is_some_and(|task| !task.state.is_finished());
        self.data.awaited_by(org, id).any(|edge| !edge.met && unfinished(edge.task))
    }
}

fn matches(task: &Task, query: &Query) -> bool {
    task.deleted_at.is_none()
        && (query.statuses.is_empty() || query.statuses.contains(&task.state.status()))
        && (query.priorities.is_empty() || query.priorities.contains(&task.priority))
        && query.owner.as_ref().is_none_or(|owner| task.state.owner() == Some(owner))
        && query.kind.as_ref().is_none_or(|kind| task.kind == *kind)
        && query.tag.as_ref().is_none_or(|tag| task.tags.contains(tag))
        && query.parent_id.is_none_or(|parent| task.parent_id == Some(parent))
        && query.schedule_id.is_none_or(|schedule| task.schedule_id == Some(schedule))
}

#[async_trait]
impl Rows for MemoryRows<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn tasks(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<Task>, Error> {
        let inner = self.look();
        let found = ids.iter().filter_map(|id| inner.data.tasks.get(&(org, *id)));
        let mut found: Vec<Task> = found.map(|task| Task::clone(task)).collect();
        found.sort_unstable_by_key(|task| task.id);
        found.dedup_by_key(|task| task.id);
        Ok(found)
    }

    async fn insert_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        let mut inner = self.write()?;
        for task in tasks {
            let key = task.idempotency_key.clone().map(|key| (task.org, key));
            if key.is_some_and(|key| inner.data.by_idempotency_key.contains_key(&key)) {
                return Err(Error::Conflict);
            }
            inner.put_task(task);
        }
        Ok(())
    }

    async fn put_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        let mut inner = self.write()?;
        tasks.iter().for_each(|task| inner.put_task(task));
        Ok(())
    }

    async fn rewrite_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        self.put_tasks(tasks).await
    }

    async fn task_ids(&self, org: OrgId, after: Option<TaskId>, limit: usize) -> Result<Vec<TaskId>, Error> {
        let inner = self.look();
        let ids = inner.data.tasks.range((org, lowest())..=(org, highest())).map(|((_, id), _)| *id);
        Ok(ids.filter(|id| after.is_none_or(|after| *id > after)).take(limit).collect())
    }

    async fn created_under(&self, org: OrgId, keys: &[String]) -> Result<Vec<(String, TaskId)>, Error> {
        let inner = self.look();
        let id = |key: &String| inner.data.by_idempotency_key.get(&(org, key.clone())).copied();
        Ok(keys.iter().filter_map(|key| Some((key.clone(), id(key)?))).collect())
    }

    async fn list(&self, org: OrgId, query: &Query) -> Result<Vec<Task>, Error> {
        let inner = self.look();
        let tasks = inner.data.tasks.range((org, lowest())..=(org, highest())).map(|(_, task)| task);
        let wanted = |task: &&Arc<Task>| {
            let after = query.after.is_none_or(|after| match query.order {
                Order::Oldest => task.id > after,
                Order::Newest => task.id < after,
            });
            after && matches(task, query)
        };
        let found = tasks.filter(wanted);
        let copy = |task: &Arc<Task>| Task::clone(task);
        Ok(match query.order {
            Order::Oldest => found.take(query.limit).map(copy).collect(),
            Order::Newest => found.rev().take(query.limit).map(copy).collect(),
        })
    }

    async fn counts(&self, org: OrgId) -> Result<Counts, Error> {
        let inner = self.look();
        let counts = inner.data.counts.iter().filter(|((of, ..), _)| *of == org);
        let tasks = counts.map(|((_, status, priority), count)| ((*status, *priority), *count)).collect();
        let queues = inner.data.ready.iter().filter(|((of, _), _)| *of == org);
        Ok(Counts { tasks, ready: queues.map(|(_, queue)| queue.len() as u64).sum() })
    }

    async fn running(&self, org: OrgId) -> Result<BTreeMap<AgentId, u32>, Error> {
        let inner = self.look();
        let running = inner.data.running.iter().filter(|((of, _), _)| *of == org);
        Ok(running.map(|((_, agent), count)| (agent.clone(), *count)).collect())
    }

    async fn lock_agents(&self, _: OrgId, _: &[AgentId]) -> Result<(), Error> {
        Ok(()) // There is one transaction at a time.
    }

    async fn to_wake(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, TaskId)>, Error> {
        let inner = self.look();
        let due = inner.data.wake.iter().take_while(|(at, ..)| *at <= now);
        Ok(due.take(limit).map(|(_, org, id)| (*org, *id)).collect())
    }

    async fn remove_finished(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut inner = self.write()?;
        let over = inner.data.over.iter().take_while(|(at, ..)| *at < before);
        let over: Vec<(OrgId, TaskId)> = over
            .filter(|(_, org, id)| !inner.is_awaited(*org, *id))
            .take(limit)
            .map(|(_, org, id)| (*org, *id))
            .collect();
        over.iter().for_each(|(org, id)| inner.remove_task(*org, *id));
        Ok(over.len() as u64)
    }

    async fn edges_from(&self, org: OrgId, tasks: &[TaskId]) -> Result<Vec<Edge>, Error> {
        let inner = self.look();
        let mut edges: Vec<Edge> = tasks.iter().flat_map(|task| inner.data.depends_on(org, *task)).collect();
        edges.sort_unstable_by_key(|edge| (edge.task, edge.depends_on));
        Ok(edges)
    }

    async fn edges_to(&self, org: OrgId, dependencies: &[TaskId]) -> Result<Vec<Edge>, Error> {
        let inner = self.look();
        let mut edges: Vec<Edge> = dependencies.iter().flat_map(|on| inner.data.awaited_by(org, *on)).collect();
        edges.sort_unstable_by_key(|edge| (edge.depends_on, edge.task));
        Ok(edges)
    }

    async fn link(&self, org: OrgId, edges: &[Edge]) -> Result<(), Error> {
        let mut inner = self.write()?;
        let pairs: Vec<(TaskId, TaskId)> = edges.iter().map(|edge| (edge.task, edge.depends_on)).collect();
        let graph = inner.data.graphs.entry(org).or_default();
        graph.add(&pairs).map_err(|cycle| Error::Cycle { path: cycle.path })?;
        edges.iter().for_each(|edge| inner.put_edge(edge));
        Ok(())
    }

    async fn unlink(&self, org: OrgId, edges: &[(TaskId, TaskId)]) -> Result<(), Error> {
        let mut inner = self.write()?;
        edges.iter().for_each(|(task, on)| inner.remove_edge(org, *task, *on));
        Ok(())
    }

    async fn mark(&self, org: OrgId, edges: &[(TaskId, TaskId)], met: bool) -> Result<(), Error> {
        let mut inner = self.write()?;
        for (task, on) in edges {
            if let Some(edge) = inner.data.edge(org, *task, *on) {
                inner.put_edge(&Edge { met, ..edge });
            }
        }
        Ok(())
    }

    async fn ready_insert(&self, rows: &[Ready]) -> Result<(), Error> {
        let mut inner = self.write()?;
        for row in rows {
            let old = inner.data.set_ready(row.org, row.id, Some(row.clone()));
            inner.note(Undo::Ready(row.org, row.id, old));
        }
        Ok(())
    }

    async fn ready_remove(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<TaskId>, Error> {
        let mut inner = self.write()?;
        let mut removed = Vec::new();
        for id in ids {
            if let Some(old) = inner.data.set_ready(org, *id, None) {
                inner.note(Undo::Ready(org, *id, Some(old)));
                removed.push(*id);
            }
        }
        Ok(removed)
    }

    async fn ready_classes(&self, org: OrgId) -> Result<Vec<String>, Error> {
        let inner = self.look();
        let queues = inner.data.ready.range((org, String::new())..).take_while(|((of, _), _)| *of == org);
        Ok(queues.map(|((_, class), _)| class.clone()).collect())
    }

    async fn ready_heads(&self, org: OrgId, classes: &[String], limit: usize) -> Result<Vec<Ready>, Error> {
        let inner = self.look();
        let queues = classes.iter().filter_map(|class| inner.data.ready.get(&(org, class.clone())));
        Ok(queues.flat_map(|queue| queue.values().take(limit).cloned()).collect())
    }

    async fn slots(&self, org: OrgId, keys: &[String]) -> Result<Vec<u32>, Error> {
        let inner = self.look();
        let taken = |key: &String| inner.data.slots.get(&(org, key.clone())).copied().unwrap_or(0);
        Ok(keys.iter().map(taken).collect())
    }

    async fn put_slots(&self, org: OrgId, slots: &[(String, u32)]) -> Result<(), Error> {
        let mut inner = self.write()?;
        for (key, taken) in slots {
            let old = inner.data.set_slots(org, key, *taken);
            inner.note(Undo::Slots(org, key.clone(), old));
        }
        Ok(())
    }

    async fn line(&self, org: OrgId, concurrency_key: &str, limit: usize) -> Result<Vec<Ready>, Error> {
        let inner = self.look();
        let line = inner.data.lines.get(&(org, concurrency_key.to_owned()));
        Ok(line.into_iter().flat_map(|line| line.values().take(limit).cloned()).collect())
    }

    async fn line_insert(&self, rows: &[(String, Ready)]) -> Result<(), Error> {
        let mut inner = self.write()?;
        for (key, row) in rows {
            let old = inner.data.set_line(row.org, row.id, Some((key.clone(), row.clone())));
            inner.note(Undo::Line(row.org, row.id, old));
        }
        Ok(())
    }

    async fn line_remove(&self, org: OrgId, ids: &[TaskId]) -> Result<(), Error> {
        let mut inner = self.write()?;
        for id in ids {
            let old = inner.data.set_line(org, *id, None);
            inner.note(Undo::Line(org, *id, old));
        }
        Ok(())
    }

    async fn schedules(&self, org: OrgId, ids: &[ScheduleId]) -> Result<Vec<Schedule>, Error> {
        self.look().schedules(org, ids)
    }

    async fn insert_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        self.write()?.insert_schedule(schedule)
    }

    async fn put_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        self.write()?.put_schedule(schedule);
        Ok(())
    }

    async fn remove_schedule(&self, org: OrgId, id: ScheduleId) -> Result<(), Error> {
        self.write()?.remove_schedule(org, id);
        Ok(())
    }

    async fn schedule_created_under(&self, org: OrgId, key: &str) -> Result<Option<ScheduleId>, Error> {
        Ok(self.look().data.schedules_by_key.get(&(org, key.to_owned())).copied())
    }

    async fn list_schedules(&self, org: OrgId, query: &ScheduleQuery) -> Result<Vec<Schedule>, Error> {
        Ok(self.look().list_schedules(org, query))
    }

    async fn schedules_due(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, ScheduleId)>, Error> {
        let inner = self.look();
        let due = inner.data.schedules_due.iter().take_while(|(at, ..)| *at <= now);
        Ok(due.take(limit).map(|(_, org, id)| (*org, *id)).collect())
    }

    async fn has_occurrence(&self, org: OrgId, schedule: ScheduleId, instant: Timestamp) -> Result<bool, Error> {
        Ok(self.look().data.occurrences.contains_key(&(org, schedule, instant)))
    }

    async fn occurrence(
        &self,
        org: OrgId,
        schedule: ScheduleId,
        instant: Timestamp,
        task: Option<TaskId>,
    ) -> Result<bool, Error> {
        Ok(self.write()?.occurrence(org, schedule, instant, task))
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<(), Error> {
        self.write()?.events.extend(events);
        Ok(())
    }
}
