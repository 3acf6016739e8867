use orchestrator_rpc::page::{Cursor, ListParams, Page};
use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_vocab::ScheduleId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Deleted, Desk};
use crate::{Draft, Overlap, Plan, Schedule, ScheduleDraft, SchedulePatch, ScheduleQuery, View};

pub(super) fn operations(desk: &Desk) -> Table {
    changing(desk).merge(existing(desk))
}

fn changing(desk: &Desk) -> Table {
    let (create, update, delete, trigger) = (desk.clone(), desk.clone(), desk.clone(), desk.clone());
    Table::new()
        .with(
            Operation::new("schedule.create", Scope::Write, "Creates a plan that creates tasks", move |call, p| {
                create.clone().create_schedule(call, p)
            })
            .creates()
            .tool(),
        )
        .with(
            Operation::new("schedule.update", Scope::Write, "Changes a schedule", move |call, p| {
                update.clone().update_schedule(call, p)
            })
            .fails_with([Code::NotFound])
            .tool(),
        )
        .with(
            Operation::new("schedule.delete", Scope::Write, "Removes a schedule; its tasks stay", move |call, p| {
                delete.clone().delete_schedule(call, p)
            })
            .fails_with([Code::NotFound]),
        )
        .with(
            Operation::new("schedule.trigger", Scope::Write, "Creates a task of a schedule now", move |call, p| {
                trigger.clone().trigger_schedule(call, p)
            })
            .fails_with([Code::NotFound])
            .tool(),
        )
}

fn existing(desk: &Desk) -> Table {
    let (get, list, pause, resume) = (desk.clone(), desk.clone(), desk.clone(), desk.clone());
    Table::new()
        .with(
            Operation::new("schedule.get", Scope::Read, "A schedule and when it is due next", move |call, p| {
                get.clone().get_schedule(call, p)
            })
            .fails_with([Code::NotFound])
            .read_only()
            .tool(),
        )
        .with(
            Operation::new("schedule.list", Scope::Read, "All schedules", move |call, p| {
                list.clone().list_schedules(call, p)
            })
            .read_only()
            .tool(),
        )
        .with(
            Operation::new("schedule.pause", Scope::Write, "Lets a schedule rest", move |call, p| {
                pause.clone().set_paused(call, p, true)
            })
            .fails_with([Code::NotFound]),
        )
        .with(
            Operation::new("schedule.resume", Scope::Write, "Lets a schedule go on from now", move |call, p| {
                resume.clone().set_paused(call, p, false)
            })
            .fails_with([Code::NotFound]),
        )
}

/// Names one schedule.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScheduleParams {
    /// The schedule.
    schedule_id: ScheduleId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TriggerParams {
    /// The schedule.
    schedule_id: ScheduleId,
    /// Triggering again under the same key returns the first task.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200), regex(pattern = crate::check::VISIBLE))]
    idempotency_key: Option<String>,
}

/// What is absent stays.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateParams {
    /// The schedule.
    schedule_id: ScheduleId,
    /// For people; 1 to 200 characters.
    #[schemars(length(min = 1, max = 200), regex(pattern = crate::check::VISIBLE))]
    name: Option<String>,
    /// Its instants. A new plan starts now: nothing is caught up with.
    plan: Option<Plan>,
    /// What each instant creates.
    template: Option<Draft>,
    /// What happens if the task of an earlier instant has not finished.
    overlap: Option<Overlap>,
    /// How late an instant may still be dealt with, in milliseconds.
    #[schemars(range(min = 60_000, max = 604_800_000))]
    catch_up_window_ms: Option<u64>,
    /// Of the instants that are late, the newest so many still create tasks.
    #[schemars(range(min = 1, max = 100))]
    catch_up_max: Option<u32>,
    /// Each instant is put off by up to this, in milliseconds.
    #[schemars(range(max = 3_600_000))]
    jitter_ms: Option<u64>,
    /// Whether it rests.
    paused: Option<bool>,
}

impl Desk {
    async fn create_schedule(self, call: Call, draft: ScheduleDraft) -> Result<Schedule, Error> {
        let draft = ScheduleDraft { idempotency_key: call.idempotency_key.clone(), ..draft };
        Ok(self.backlog.create_schedule(&(&call).into(), draft).await?)
    }

    async fn update_schedule(self, call: Call, params: UpdateParams) -> Result<Schedule, Error> {
        let patch = SchedulePatch {
            name: params.name,
            plan: params.plan,
            template: params.template,
            overlap: params.overlap,
            catch_up_window_ms: params.catch_up_window_ms,
            catch_up_max: params.catch_up_max,
            jitter_ms: params.jitter_ms,
            paused: params.paused,
        };
        Ok(self.backlog.update_schedule(&(&call).into(), params.schedule_id, patch).await?)
    }

    async fn set_paused(self, call: Call, params: ScheduleParams, paused: bool) -> Result<Schedule, Error> {
        let patch = SchedulePatch { paused: Some(paused), ..SchedulePatch::default() };
        Ok(self.backlog.update_schedule(&(&call).into(), params.schedule_id, patch).await?)
    }

    async fn delete_schedule(self, call: Call, params: ScheduleParams) -> Result<Deleted, Error> {
        self.backlog.delete_schedule(&(&call).into(), params.schedule_id).await?;
        Ok(Deleted { deleted: true })
    }

    async fn trigger_schedule(self, call: Call, params: TriggerParams) -> Result<View, Error> {
        let key = call.idempotency_key.clone().or(params.idempotency_key);
        Ok(self.backlog.trigger_schedule(&(&call).into(), params.schedule_id, key).await?.into())
    }

    async fn get_schedule(self, call: Call, params: ScheduleParams) -> Result<Schedule, Error> {
        Ok(self.backlog.schedule(call.org(), params.schedule_id).await?)
    }

    async fn list_schedules(self, call: Call, params: ListParams) -> Result<Page<Schedule>, Error> {
        let limit = params.limit.get();
        let after = params.cursor.map(|cursor| cursor.read()).transpose()?;
        let schedules = self.backlog.list_schedules(call.org(), ScheduleQuery { after, limit }).await?;
        let next_cursor = schedules.last().filter(|_| schedules.len() == limit).map(|last| Cursor::of(&last.id));
        Ok(Page { items: schedules, next_cursor })
    }
}
