use async_trait::async_trait;
use orchestrator_vocab::{ScheduleId, TaskId, Timestamp};
use serde_json::json;

use super::plan::ScheduleChange;
use super::{Command, Create, Plan};
use crate::event::about_schedule;
use crate::schedule::{Firing, Missed, QUEUED_MAX, Schedule, ScheduleDraft, SchedulePatch};
use crate::{Dependency, Draft, Error, OnFailure, Order, Query, Status, Task, Touched};

/// Creates a schedule; under a known idempotency key it gives the one that was created first.
pub(crate) struct CreateSchedule {
    pub(crate) draft: ScheduleDraft,
}

#[async_trait]
impl Command for CreateSchedule {
    type Output = Schedule;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Schedule, Error> {
        if let Some(key) = &self.draft.idempotency_key
            && let Some(id) = plan.rows.schedule_created_under(plan.org(), key).await?
        {
            return plan.schedule(id).await;
        }
        self.draft.validate(plan.now)?;
        let draft = self.draft.clone();
        let mut schedule = draft.into_schedule(plan.org(), plan.origin.actor.clone(), plan.origin.label, plan.now);
        plan.note(Touched::New, &mut schedule.reserved)?;
        plan.schedule_change = Some(ScheduleChange::Insert(Box::new(schedule.clone())));
        Ok(schedule)
    }
}

/// Changes a schedule, or lets it rest or go on.
pub(crate) struct UpdateSchedule {
    pub(crate) id: ScheduleId,
    pub(crate) patch: SchedulePatch,
}

#[async_trait]
impl Command for UpdateSchedule {
    type Output = Schedule;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Schedule, Error> {
        let mut schedule = plan.schedule(self.id).await?;
        let moves = self.patch.apply(&mut schedule, plan.now)?;
        if !self.patch.is_rest() {
            plan.note(Touched::Schedule(self.id), &mut schedule.reserved)?;
        }
        schedule.updated_at = plan.now;
        schedule.label = schedule.label.join(plan.origin.label);
        if moves {
            schedule.start(plan.now);
        }
        plan.schedule_change = Some(ScheduleChange::Put(Box::new(schedule.clone())));
        Ok(schedule)
    }
}

/// Removes a schedule; its tasks stay.
pub(crate) struct DeleteSchedule {
    pub(crate) id: ScheduleId,
}

#[async_trait]
impl Command for DeleteSchedule {
    type Output = Schedule;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Schedule, Error> {
        let schedule = plan.schedule(self.id).await?;
        plan.schedule_change = Some(ScheduleChange::Remove(self.id));
        Ok(schedule)
    }
}

/// Creates a task of the schedule now, whatever its plan, its pause and its overlap say.
pub(crate) struct Trigger {
    pub(crate) id: ScheduleId,
    pub(crate) idempotency_key: Option<String>,
}

#[async_trait]
impl Command for Trigger {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        let schedule = plan.schedule(self.id).await?;
        let draft = Draft { idempotency_key: self.idempotency_key.clone(), ..schedule.template.clone() };
        let task = plan.create_for(&schedule, draft).await?;
        let is_new = plan.entries.get(&task.id).is_some_and(|entry| !entry.was.stored);
        if is_new {
            let details = json!({ "instant": plan.now, "taskId": task.id, "manual": true });
            plan.report_schedule("schedule.fired", self.id, details);
        }
        Ok(task)
    }
}

/// Does what time demands of one schedule. Each instant yields exactly one task, or a recorded skip.
pub(crate) struct Fire {
    pub(crate) id: ScheduleId,
}

#[async_trait]
impl Command for Fire {
    type Output = ();

    async fn run(&self, plan: &mut Plan<'_>) -> Result<(), Error> {
        // It may have been deleted or paused since the sweep saw it.
        let Ok(mut schedule) = plan.schedule(self.id).await else { return Ok(()) };
        if schedule.paused {
            return Ok(());
        }
        let due = schedule.due(plan.now);
        if let Some(missed) = due.missed {
            plan.skip_missed(&schedule, missed).await?;
        }
        for instant in &due.fire {
            if plan.fire(&schedule, *instant).await? {
                schedule.last_instant = Some(*instant);
            }
        }
        if schedule.next_instant != due.next {
            schedule.continue_at(due.next);
            schedule.updated_at = plan.now;
            plan.schedule_change = Some(ScheduleChange::Put(Box::new(schedule)));
        }
        Ok(())
    }
}

impl Plan<'_> {
    async fn schedule(&self, id: ScheduleId) -> Result<Schedule, Error> {
        self.rows.schedules(self.org(), &[id]).await?.pop().ok_or(Error::NoSchedule(id))
    }

    fn report_schedule(&mut self, name: &'static str, id: ScheduleId, details: serde_json::Value) {
        self.events.push(about_schedule(name, id, details, self.origin, self.now));
    }

    async fn skip_missed(&mut self, schedule: &Schedule, missed: Missed) -> Result<(), Error> {
        if !self.rows.has_occurrence(schedule.org, schedule.id, missed.from).await? {
            self.occurrences.push((schedule.id, missed.from, None));
            let details = json!({ "instant": missed.from, "until": missed.until, "reason": "too late" });
            self.report_schedule("schedule.skipped", schedule.id, details);
        }
        Ok(())
    }

    /// Deals with one instant, and tells whether it created a task.
    async fn fire(&mut self, schedule: &Schedule, instant: Timestamp) -> Result<bool, Error> {
        if self.rows.has_occurrence(schedule.org, schedule.id, instant).await? {
            return Ok(false);
        }
        let mut draft = schedule.template.clone();
        match schedule.overlap.firing(&self.unfinished(schedule).await?) {
            Firing::Skip(reason) => return self.skip(schedule, instant, reason.to_owned()),
            Firing::Create => {}
            Firing::CreateAfter(task_id) => {
                draft.depends_on.push(Dependency { task_id, on_failure: OnFailure::Continue });
            }
            Firing::CreateInsteadOf(ids) => {
                self.load(ids.iter().copied()).await?;
                for id in ids {
                    self.cancel(id, format!("replaced by the next task of {}", schedule.id))?;
                }
                self.propagate().await?;
            }
        }
        match self.create_for(schedule, draft).await {
            Ok(task) => {
                self.occurrences.push((schedule.id, instant, Some(task.id)));
                let details = json!({ "instant": instant, "taskId": task.id });
                self.report_schedule("schedule.fired", schedule.id, details);
                Ok(true)
            }
            // A dependency or the parent of the template is gone: that must not stop the schedule for ever.
            Err(error) if !error.is_retryable() => self.skip(schedule, instant, error.to_string()),
            Err(error) => Err(error),
        }
    }

    fn skip(&mut self, schedule: &Schedule, instant: Timestamp, reason: String) -> Result<bool, Error> {
        self.occurrences.push((schedule.id, instant, None));
        self.report_schedule("schedule.skipped", schedule.id, json!({ "instant": instant, "reason": reason }));
        Ok(false)
    }

    /// The newest tasks of the schedule that have not finished, those of this plan included.
    async fn unfinished(&self, schedule: &Schedule) -> Result<Vec<TaskId>, Error> {
        let query = Query {
            statuses: Status::ALL.into_iter().filter(|status| !status.is_finished()).collect(),
            schedule_id: Some(schedule.id),
            order: Order::Newest,
            limit: QUEUED_MAX.max(100),
            ..Query::default()
        };
        let stored = self.rows.list(schedule.org, &query).await?;
        let stored = stored.into_iter().map(|task| task.id).filter(|id| !self.entries.contains_key(id));
        let planned = self.entries.values().map(|entry| &entry.task);
        let planned = planned.filter(|task| task.schedule_id == Some(schedule.id) && !task.state.is_finished());
        Ok(stored.chain(planned.map(|task| task.id)).collect())
    }

    /// A task of the schedule, with the label of whoever wrote the schedule, and with what is noted on it.
    async fn create_for(&mut self, schedule: &Schedule, draft: Draft) -> Result<Task, Error> {
        let draft = Draft { reserved: schedule.reserved.clone(), ..draft };
        let create = Create { schedule: Some((schedule.id, schedule.label)), ..Create::one(draft) };
        create.run(self).await?.pop().ok_or(Error::Conflict)
    }
}
