use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use orchestrator_vocab::{AgentId, OrgId, ScheduleId, TaskId, Timestamp};
use uuid::Uuid;

use crate::graph::Graph;
use crate::schedule::Schedule;
use crate::{Edge, OnFailure, Priority, Ready, State, Status, Task};

/// The organisation's index of rows, by some name and then by (key, id).
type Queues = BTreeMap<(OrgId, String), BTreeMap<(i64, TaskId), Ready>>;

/// Everything that is stored. Each kind of row is changed by one setter that keeps the indexes and returns what was there
/// before, so that setting that again undoes the change.
#[derive(Default)]
pub(super) struct Data {
    pub(super) tasks: BTreeMap<(OrgId, TaskId), Arc<Task>>,
    pub(super) by_idempotency_key: HashMap<(OrgId, String), TaskId>,
    pub(super) counts: BTreeMap<(OrgId, Status, Priority), u64>,
    pub(super) running: BTreeMap<(OrgId, AgentId), u32>,
    pub(super) wake: BTreeSet<(Timestamp, OrgId, TaskId)>,
    pub(super) over: BTreeSet<(Timestamp, OrgId, TaskId)>,
    pub(super) edges: BTreeMap<(OrgId, TaskId, TaskId), Mark>,
    pub(super) awaited: BTreeSet<(OrgId, TaskId, TaskId)>,
    pub(super) graphs: HashMap<OrgId, Graph>,
    pub(super) ready: Queues,
    ready_at: HashMap<TaskId, (String, i64)>,
    pub(super) lines: Queues,
    line_at: HashMap<TaskId, (String, i64)>,
    pub(super) slots: BTreeMap<(OrgId, String), u32>,
    pub(super) schedules: BTreeMap<(OrgId, ScheduleId), Arc<Schedule>>,
    pub(super) schedules_by_key: HashMap<(OrgId, String), ScheduleId>,
    pub(super) schedules_due: BTreeSet<(Timestamp, OrgId, ScheduleId)>,
    pub(super) occurrences: BTreeMap<(OrgId, ScheduleId, Timestamp), Option<TaskId>>,
}

/// What an edge says beside its two ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) on_failure: OnFailure,
    pub(super) met: bool,
}

impl Data {
    pub(super) fn set_task(&mut self, org: OrgId, id: TaskId, task: Option<Arc<Task>>) -> Option<Arc<Task>> {
        let old = match &task {
            Some(task) => self.tasks.insert((org, id), task.clone()),
            None => self.tasks.remove(&(org, id)),
        };
        if let Some(old) = &old {
            self.unindex(old);
        }
        if let Some(new) = &task {
            self.index(new);
        }
        old
    }

    fn index(&mut self, task: &Task) {
        if let Some(key) = &task.idempotency_key {
            self.by_idempotency_key.insert((task.org, key.clone()), task.id);
        }
        if let Some(at) = task.wake_at() {
            self.wake.insert((at, task.org, task.id));
        }
        if let Some(at) = over_at(task) {
            self.over.insert((at, task.org, task.id));
        }
        if let State::InProgress { owner, .. } = &task.state {
            *self.running.entry((task.org, owner.clone())).or_default() += 1;
        }
        if task.deleted_at.is_none() {
            *self.counts.entry((task.org, task.state.status(), task.priority)).or_default() += 1;
        }
    }

    fn unindex(&mut self, task: &Task) {
        if let Some(key) = &task.idempotency_key {
            self.by_idempotency_key.remove(&(task.org, key.clone()));
        }
        if let Some(at) = task.wake_at() {
            self.wake.remove(&(at, task.org, task.id));
        }
        if let Some(at) = over_at(task) {
            self.over.remove(&(at, task.org, task.id));
        }
        if let State::InProgress { owner, .. } = &task.state {
            less(&mut self.running, (task.org, owner.clone()));
        }
        if task.deleted_at.is_none() {
            less(&mut self.counts, (task.org, task.state.status(), task.priority));
        }
    }

    /// Does not touch the graph: whoever adds an edge has asked it before.
    pub(super) fn set_edge(&mut self, org: OrgId, task: TaskId, on: TaskId, mark: Option<Mark>) -> Option<Mark> {
        match mark {
            Some(mark) => {
                self.awaited.insert((org, on, task));
                self.edges.insert((org, task, on), mark)
            }
            None => {
                self.awaited.remove(&(org, on, task));
                self.edges.remove(&(org, task, on))
            }
        }
    }

    pub(super) fn edge(&self, org: OrgId, task: TaskId, depends_on: TaskId) -> Option<Edge> {
        let mark = self.edges.get(&(org, task, depends_on))?;
        Some(Edge { org, task, depends_on, on_failure: mark.on_failure, met: mark.met })
    }

    pub(super) fn depends_on(&self, org: OrgId, task: TaskId) -> impl Iterator<Item = Edge> {
        let range = (org, task, lowest())..=(org, task, highest());
        self.edges.range(range).filter_map(move |((_, _, on), _)| self.edge(org, task, *on))
    }

    pub(super) fn awaited_by(&self, org: OrgId, on: TaskId) -> impl Iterator<Item = Edge> {
        let range = (org, on, lowest())..=(org, on, highest());
        self.awaited.range(range).filter_map(move |(_, _, task)| self.edge(org, *task, on))
    }

    pub(super) fn set_ready(&mut self, org: OrgId, id: TaskId, row: Option<Ready>) -> Option<Ready> {
        let name = row.as_ref().map(|row| row.class.clone());
        set_queued(&mut self.ready, &mut self.ready_at, org, id, name.zip(row)).map(|(_, row)| row)
    }

    pub(super) fn set_line(&mut self, org: OrgId, id: TaskId, row: Option<(String, Ready)>) -> Option<(String, Ready)> {
        set_queued(&mut self.lines, &mut self.line_at, org, id, row)
    }

    pub(super) fn set_slots(&mut self, org: OrgId, key: &str, taken: u32) -> u32 {
        let key = (org, key.to_owned());
        match taken {
            0 => self.slots.remove(&key),
            taken => self.slots.insert(key, taken),
        }
        .unwrap_or(0)
    }

    pub(super) fn set_schedule(
        &mut self,
        org: OrgId,
        id: ScheduleId,
        schedule: Option<Arc<Schedule>>,
    ) -> Option<Arc<Schedule>> {
        let old = match &schedule {
            Some(schedule) => self.schedules.insert((org, id), schedule.clone()),
            None => self.schedules.remove(&(org, id)),
        };
        if let Some(old) = &old {
            self.schedules_due.retain(|(_, _, due)| *due != id);
            if let Some(key) = &old.idempotency_key {
                self.schedules_by_key.remove(&(org, key.clone()));
            }
        }
        if let Some(new) = &schedule {
            let next_at = new.next_at.filter(|_| !new.paused);
            self.schedules_due.extend(next_at.map(|at| (at, org, id)));
            self.schedules_by_key.extend(new.idempotency_key.clone().map(|key| ((org, key), id)));
        }
        old
    }
}

/// When retention begins to count.
fn over_at(task: &Task) -> Option<Timestamp> {
    task.finished_at.into_iter().chain(task.deleted_at).min()
}

fn less<K: Ord, N: Copy + PartialEq + From<u8> + std::ops::SubAssign>(counts: &mut BTreeMap<K, N>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= N::from(1);
        if *count == N::from(0) {
            counts.remove(&key);
        }
    }
}

fn set_queued(
    queues: &mut Queues,
    places: &mut HashMap<TaskId, (String, i64)>,
    org: OrgId,
    id: TaskId,
    row: Option<(String, Ready)>,
) -> Option<(String, Ready)> {
    let old = places.remove(&id).and_then(|(name, key)| {
        let place = (org, name);
        let queue = queues.get_mut(&place)?;
        let row = queue.remove(&(key, id))?;
        if queue.is_empty() {
            queues.remove(&place);
        }
        Some((place.1, row))
    });
    if let Some((name, row)) = row {
        places.insert(id, (name.clone(), row.key));
        queues.entry((org, name)).or_default().insert((row.key, id), row);
    }
    old
}

pub(super) const fn lowest() -> TaskId {
    TaskId::from_uuid(Uuid::nil())
}

pub(super) const fn highest() -> TaskId {
    TaskId::from_uuid(Uuid::max())
}
