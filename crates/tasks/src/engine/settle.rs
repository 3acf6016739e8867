use std::collections::{BTreeMap, BTreeSet};

use orchestrator_vocab::TaskId;

use super::Plan;
use super::plan::{Effects, Entry, ScheduleChange};
use crate::{Error, Place, Ready, State, Task};

/// What became of the slots of one concurrency key in this plan.
#[derive(Default)]
struct Key {
    taken: i64,
    /// Tasks that got in line in this plan.
    new: Vec<TaskId>,
}

impl Plan<'_> {
    /// Writes everything, in few statements. What may still be refused (a cycle) comes first.
    pub(crate) async fn flush(mut self) -> Result<Effects, Error> {
        self.settle().await?;
        let org = self.org();
        if !self.link.is_empty() {
            self.rows.link(org, &self.link).await?;
        }
        self.flush_schedule().await?;
        self.rows.unlink(org, &self.unlink).await?;
        self.rows.mark(org, &self.met, true).await?;
        let changes = Changes::of(std::mem::take(&mut self.entries), self.config.ageing_step());
        self.rows.insert_tasks(&changes.new).await?;
        self.rows.put_tasks(&changes.old).await?;
        self.rows.ready_remove(org, &changes.ready_out).await?;
        self.rows.ready_insert(&changes.ready_in).await?;
        self.rows.line_remove(org, &changes.line_out).await?;
        self.rows.line_insert(&changes.line_in).await?;
        self.rows.put_slots(org, &self.slots).await?;
        if !self.events.is_empty() {
            self.rows.append(std::mem::take(&mut self.events)).await?;
        }
        self.effects.worth_a_round |= !changes.ready_in.is_empty();
        Ok(self.effects)
    }

    async fn flush_schedule(&mut self) -> Result<(), Error> {
        for (schedule, instant, task) in std::mem::take(&mut self.occurrences) {
            if !self.rows.occurrence(self.org(), schedule, instant, task).await? {
                return Err(Error::Conflict);
            }
        }
        match self.schedule_change.take() {
            Some(ScheduleChange::Insert(schedule)) => self.rows.insert_schedule(&schedule).await,
            Some(ScheduleChange::Put(schedule)) => self.rows.put_schedule(&schedule).await,
            Some(ScheduleChange::Remove(id)) => self.rows.remove_schedule(self.org(), id).await,
            None => Ok(()),
        }
    }

    /// Decides where each changed task waits, and who gets the slots that became free.
    async fn settle(&mut self) -> Result<(), Error> {
        self.propagate().await?;
        let now = self.now;
        let mut keys: BTreeMap<String, Key> = BTreeMap::new();
        for entry in self.entries.values_mut().filter(|entry| entry.touched) {
            entry.task.place = place(&entry.task, now);
            let Some(name) = &entry.task.concurrency_key else { continue };
            let taken = i64::from(entry.task.holds_slot()) - i64::from(entry.was.holds_slot);
            let got_in_line = matches!(entry.task.place, Place::Line { .. }) && !entry.was.in_line;
            if taken != 0 || got_in_line {
                let key = keys.entry(name.clone()).or_default();
                key.taken += taken;
                key.new.extend(got_in_line.then_some(entry.task.id));
            }
        }
        if keys.is_empty() { Ok(()) } else { self.share_slots(keys).await }
    }

    async fn share_slots(&mut self, keys: BTreeMap<String, Key>) -> Result<(), Error> {
        let names: Vec<String> = keys.keys().cloned().collect();
        let taken = self.rows.slots(self.org(), &names).await?;
        let mut slots = Vec::with_capacity(names.len());
        for ((name, key), before) in keys.into_iter().zip(taken) {
            let taken = u32::try_from((i64::from(before) + key.taken).max(0)).unwrap_or(u32::MAX);
            let free = self.config.slots_of(&name).saturating_sub(taken);
            let admitted = if free == 0 { 0 } else { self.admit(&name, key.new, free as usize).await? };
            slots.push((name, taken.saturating_add(admitted)));
        }
        self.slots = slots;
        Ok(())
    }

    /// Lets the first in line, old or new, into the ready index. Returns how many.
    async fn admit(&mut self, name: &str, new: Vec<TaskId>, free: usize) -> Result<u32, Error> {
        let mut line: Vec<Ready> = new.iter().filter_map(|id| self.row_of(*id)).collect();
        line.extend(self.first_in_line(name, free).await?);
        line.sort_unstable_by_key(|row| (row.key, row.id));
        line.dedup_by_key(|row| row.id);
        let admitted: BTreeSet<TaskId> = line.into_iter().take(free).map(|row| row.id).collect();
        for id in &admitted {
            let task = self.change(*id)?;
            if let Place::Line { since } = task.place {
                task.place = Place::Ready { since };
            }
        }
        Ok(admitted.len() as u32)
    }

    /// At least the first `free` that are still in line, if there are so many.
    async fn first_in_line(&mut self, name: &str, free: usize) -> Result<Vec<Ready>, Error> {
        let mut limit = free;
        loop {
            let stored = self.rows.line(self.org(), name, limit).await?;
            self.load(stored.iter().map(|row| row.id)).await?;
            // Tasks that leave the line, in this plan or in another daemon's, still have their rows in the store.
            let waiting: Vec<Ready> = stored.iter().filter_map(|row| self.row_of(row.id)).collect();
            if waiting.len() >= free || stored.len() < limit {
                return Ok(waiting);
            }
            limit = limit.saturating_mul(2);
        }
    }

    /// The row of a task that is in line.
    fn row_of(&self, id: TaskId) -> Option<Ready> {
        let task = &self.entries.get(&id)?.task;
        matches!(task.place, Place::Line { .. }).then(|| task.row(self.config.ageing_step())).flatten()
    }
}

/// Where a task waits, as far as that can be told without looking at slots.
fn place(task: &Task, now: orchestrator_vocab::Timestamp) -> Place {
    match (&task.state, task.place) {
        (State::Pending, _) if task.deleted_at.is_some() => Place::Nowhere,
        (State::Pending, _) if task.run_at.is_some_and(|run_at| run_at > now) => Place::Timer,
        (State::Pending, place @ (Place::Ready { .. } | Place::Line { .. })) => place,
        (State::Pending, _) if task.concurrency_key.is_some() => Place::Line { since: now },
        (State::Pending, _) => Place::Ready { since: now },
        _ => Place::Nowhere,
    }
}

/// The rows to write.
#[derive(Default)]
struct Changes {
    new: Vec<Task>,
    old: Vec<Task>,
    ready_in: Vec<Ready>,
    ready_out: Vec<TaskId>,
    line_in: Vec<(String, Ready)>,
    line_out: Vec<TaskId>,
}

impl Changes {
    fn of(entries: BTreeMap<TaskId, Entry>, step: std::time::Duration) -> Self {
        let mut changes = Self::default();
        for entry in entries.into_values().filter(|entry| entry.touched) {
            changes.move_rows(&entry, step);
            if entry.was.stored { &mut changes.old } else { &mut changes.new }.push(entry.task);
        }
        changes
    }

    fn move_rows(&mut self, entry: &Entry, step: std::time::Duration) {
        let row = entry.task.row(step);
        let in_line = matches!(entry.task.place, Place::Line { .. });
        if row == entry.was.row && in_line == entry.was.in_line {
            return;
        }
        let id = entry.task.id;
        match (&entry.was.row, entry.was.in_line) {
            (Some(_), true) if !in_line => self.line_out.push(id),
            // A row that is replaced is not removed first.
            (Some(_), false) if in_line || row.is_none() => self.ready_out.push(id),
            _ => {}
        }
        match (row, &entry.task.concurrency_key) {
            (Some(row), Some(key)) if in_line => self.line_in.push((key.clone(), row)),
            (Some(row), _) => self.ready_in.push(row),
            (None, _) => {}
        }
    }
}
