use std::sync::Arc;

use orchestrator_vocab::{OrgId, ScheduleId};

use super::Backlog;
use crate::schedule::{Schedule, ScheduleDraft, SchedulePatch};
use crate::{Error, Origin, ScheduleQuery, Task, check, engine};

impl Backlog {
    /// Creates a schedule. Under a known idempotency key it returns the one that was created first.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn create_schedule(&self, origin: &Origin, draft: ScheduleDraft) -> Result<Schedule, Error> {
        self.run(origin, engine::CreateSchedule { draft }).await
    }

    /// Changes a schedule, or lets it rest (`paused`) or go on. What falls into a rest is not caught up with.
    ///
    /// # Errors
    /// [`Error::NoSchedule`], [`Error::Invalid`].
    pub async fn update_schedule(
        &self,
        origin: &Origin,
        id: ScheduleId,
        patch: SchedulePatch,
    ) -> Result<Schedule, Error> {
        self.run(origin, engine::UpdateSchedule { id, patch }).await
    }

    /// Creates a task of the schedule now, whatever its plan, its rest and its overlap policy say.
    ///
    /// # Errors
    /// [`Error::NoSchedule`]; the errors of [`create`](Self::create).
    pub async fn trigger_schedule(
        &self,
        origin: &Origin,
        id: ScheduleId,
        idempotency_key: Option<String>,
    ) -> Result<Task, Error> {
        check::optional_chars("idempotencyKey", idempotency_key.as_ref(), check::IDEMPOTENCY_KEY_CHARS_MAX)?;
        self.run(origin, engine::Trigger { id, idempotency_key }).await
    }

    /// Removes a schedule; its tasks stay.
    ///
    /// # Errors
    /// [`Error::NoSchedule`].
    pub async fn delete_schedule(&self, origin: &Origin, id: ScheduleId) -> Result<Schedule, Error> {
        self.run(origin, engine::DeleteSchedule { id }).await
    }

    /// A schedule.
    ///
    /// # Errors
    /// [`Error::NoSchedule`].
    pub async fn schedule(&self, org: OrgId, id: ScheduleId) -> Result<Schedule, Error> {
        let found = self.read(move |rows| Box::pin(async move { rows.schedules(org, &[id]).await })).await?.pop();
        found.ok_or(Error::NoSchedule(id))
    }

    /// Schedules, by id.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the limit is above 1,000.
    pub async fn list_schedules(&self, org: OrgId, query: ScheduleQuery) -> Result<Vec<Schedule>, Error> {
        check::count("limit", query.limit, crate::LIST_LIMIT_MAX)?;
        let query = Arc::new(query);
        self.read(move |rows| {
            let query = query.clone();
            Box::pin(async move { rows.list_schedules(org, &query).await })
        })
        .await
    }
}
