use std::collections::{BTreeMap, BTreeSet};

use orchestrator_events::NewEvent;
use orchestrator_vocab::{OrgId, ScheduleId, TaskId, Timestamp};

use crate::schedule::Schedule;
use crate::trail::{self, Mark};
use crate::{Config, Edge, Error, Event, Fence, Origin, Place, Ready, Rows, State, Status, Step, Task};

/// What a command is about to do: the tasks it has read and changed, the edges, the events.
///
/// Nothing is written before [`flush`](Self::flush), so a refusal at any moment leaves nothing behind. The ready index,
/// the lines and the slots of concurrency keys follow from what changed about the tasks; commands do not touch them.
pub(crate) struct Plan<'a> {
    pub(super) rows: &'a dyn Rows,
    pub(super) config: &'a Config,
    pub(super) origin: &'a Origin,
    pub(super) now: Timestamp,
    pub(super) entries: BTreeMap<TaskId, Entry>,
    /// Asked for and not there.
    absent: BTreeSet<TaskId>,
    pub(super) link: Vec<Edge>,
    pub(super) unlink: Vec<(TaskId, TaskId)>,
    pub(super) met: Vec<(TaskId, TaskId)>,
    /// Finished in this plan; their dependents have not heard of it yet.
    pub(super) ended: Vec<TaskId>,
    /// Of which concurrency keys how many slots are taken.
    pub(super) slots: Vec<(String, u32)>,
    pub(super) schedule_change: Option<ScheduleChange>,
    /// Instants that were dealt with, and by which task.
    pub(super) occurrences: Vec<(ScheduleId, Timestamp, Option<TaskId>)>,
    pub(super) events: Vec<NewEvent>,
    pub(super) effects: Effects,
}

/// A task in a plan.
pub(super) struct Entry {
    pub(super) task: Task,
    /// Where it stood in the store.
    pub(super) was: Was,
    pub(super) touched: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Was {
    pub(super) stored: bool,
    /// Its row in the ready index or in a line.
    pub(super) row: Option<Ready>,
    pub(super) in_line: bool,
    pub(super) holds_slot: bool,
}

pub(super) enum ScheduleChange {
    Insert(Box<Schedule>),
    Put(Box<Schedule>),
    Remove(ScheduleId),
}

/// What a commit means for others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects {
    /// Tasks became ready, or agents got free.
    pub(crate) worth_a_round: bool,
    /// What to tell of it, once it is written.
    pub(crate) marks: Vec<Mark>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(rows: &'a dyn Rows, config: &'a Config, origin: &'a Origin) -> Self {
        Self {
            rows,
            config,
            origin,
            now: rows.now(),
            entries: BTreeMap::new(),
            absent: BTreeSet::new(),
            link: Vec::new(),
            unlink: Vec::new(),
            met: Vec::new(),
            ended: Vec::new(),
            slots: Vec::new(),
            schedule_change: None,
            occurrences: Vec::new(),
            events: Vec::new(),
            effects: Effects::default(),
        }
    }

    pub(super) fn org(&self) -> OrgId {
        self.origin.org
    }

    /// Reads and locks tasks; those the plan has already are left as they are.
    pub(super) async fn load(&mut self, ids: impl IntoIterator<Item = TaskId>) -> Result<(), Error> {
        let fresh = |id: &TaskId| !self.entries.contains_key(id) && !self.absent.contains(id);
        let wanted: BTreeSet<TaskId> = ids.into_iter().filter(fresh).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted: Vec<TaskId> = wanted.into_iter().collect();
        for task in self.rows.tasks(self.org(), &wanted).await? {
            let was = Was {
                stored: true,
                row: task.row(self.config.ageing_step()),
                in_line: matches!(task.place, Place::Line { .. }),
                holds_slot: task.holds_slot(),
            };
            self.entries.insert(task.id, Entry { task, was, touched: false });
        }
        self.absent.extend(wanted.into_iter().filter(|id| !self.entries.contains_key(id)));
        Ok(())
    }

    /// A task that was loaded, as it is by now.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, or it is deleted.
    pub(super) fn task(&self, id: TaskId) -> Result<&Task, Error> {
        let entry = self.entries.get(&id).filter(|entry| entry.task.deleted_at.is_none());
        entry.map(|entry| &entry.task).ok_or(Error::NotFound(id))
    }

    /// Reads one task.
    pub(super) async fn load_one(&mut self, id: TaskId) -> Result<&Task, Error> {
        self.load([id]).await?;
        self.task(id)
    }

    /// A loaded task whose owner shows this fence.
    pub(super) fn owned(&self, id: TaskId, fence: Fence) -> Result<&Task, Error> {
        let task = self.task(id)?;
        match task.fence == fence {
            true => Ok(task),
            false => Err(Error::Stale { id, expected: task.fence, given: fence }),
        }
    }

    /// Adds a task that does not exist yet.
    pub(super) fn insert(&mut self, task: Task) {
        self.entries.insert(task.id, Entry { task, was: Was::default(), touched: true });
    }

    /// The one way from state to state. Returns the status before.
    pub(super) fn step(&mut self, id: TaskId, step: &Step) -> Result<Status, Error> {
        let now = self.now;
        let before = self.task(id)?.state.status();
        let task = self.change(id)?;
        task.state = task.state.after(step).map_err(|source| Error::Transition { id, source })?;
        let after = task.state.status();
        task.finished_at = after.is_finished().then_some(now);
        if after.is_finished() {
            self.ended.push(id);
        }
        self.effects.worth_a_round |= before == Status::InProgress && after != Status::InProgress;
        Ok(before)
    }

    /// A loaded task, to change anything about it but its state.
    pub(super) fn change(&mut self, id: TaskId) -> Result<&mut Task, Error> {
        let now = self.now;
        let entry = self.entries.get_mut(&id).ok_or(Error::NotFound(id))?;
        entry.touched = true;
        entry.task.updated_at = now;
        Ok(&mut entry.task)
    }

    /// Reports what happened to a task, as it is now.
    pub(super) fn report(&mut self, id: TaskId, before: Option<Status>, event: Event) {
        if let Some(entry) = self.entries.get(&id) {
            if trail::is_watched() {
                self.effects.marks.extend(trail::marks(&entry.task, &event, self.now));
            }
            self.events.push(event.about(&entry.task, before, self.origin, self.now));
        }
    }

    /// Tells the dependents of everything that ended in this plan, and theirs in turn.
    pub(super) async fn propagate(&mut self) -> Result<(), Error> {
        while !self.ended.is_empty() {
            let ended = std::mem::take(&mut self.ended);
            let mut edges = self.rows.edges_to(self.org(), &ended).await?;
            edges.retain(|edge| !edge.met);
            self.load(edges.iter().map(|edge| edge.task)).await?;
            let mut fewer: BTreeMap<TaskId, u32> = BTreeMap::new();
            for edge in edges {
                self.hear(&edge, &mut fewer)?;
            }
            for (id, count) in fewer {
                self.unblock(id, count)?;
            }
        }
        Ok(())
    }

    /// What the end of `edge.depends_on` means for `edge.task`.
    fn hear(&mut self, edge: &Edge, fewer: &mut BTreeMap<TaskId, u32>) -> Result<(), Error> {
        use crate::OnFailure::{Cancel, Continue, Wait};
        let Some(Entry { task: ended, .. }) = self.entries.get(&edge.depends_on) else { return Ok(()) };
        match (&ended.state, edge.on_failure) {
            (State::Completed { .. }, _) | (State::Failed { .. } | State::Cancelled { .. }, Continue) => {
                self.met.push((edge.task, edge.depends_on));
                *fewer.entry(edge.task).or_default() += 1;
                Ok(())
            }
            (State::Failed { .. } | State::Cancelled { .. }, Cancel) => {
                let reason = format!("depends on {}, which is {}", edge.depends_on, ended.state.status());
                self.cancel(edge.task, reason)
            }
            (_, Wait | Cancel | Continue) => Ok(()),
        }
    }

    fn unblock(&mut self, id: TaskId, count: u32) -> Result<(), Error> {
        let Ok(Some(waiting_on)) = self.task(id).map(Task::waiting_on) else { return Ok(()) };
        let before = self.step(id, &Step::DependenciesMet(count.min(waiting_on)))?;
        if self.task(id)?.state == State::Pending {
            self.report(id, Some(before), Event::Unblocked);
        }
        Ok(())
    }

    /// Calls off a task unless it has finished.
    pub(super) fn cancel(&mut self, id: TaskId, reason: String) -> Result<(), Error> {
        let Some(task) = self.entries.get(&id).map(|entry| &entry.task) else { return Ok(()) };
        if task.state.is_finished() || task.deleted_at.is_some() {
            return Ok(());
        }
        let agent = task.state.owner().cloned();
        let before = self.step(id, &Step::Cancel { reason })?;
        let task = self.change(id)?;
        task.fence = task.fence.next();
        self.report(id, Some(before), Event::Cancelled { agent });
        Ok(())
    }

    /// Gives up a task for good: the dead letter.
    pub(super) fn give_up(&mut self, id: TaskId, error: String) -> Result<(), Error> {
        let agent = self.task(id)?.state.owner().cloned();
        let before = self.step(id, &Step::Fail { error })?;
        let task = self.change(id)?;
        task.avoid.clone_from(&agent);
        task.last_error = None;
        self.report(id, Some(before), Event::Failed { agent });
        Ok(())
    }
}
