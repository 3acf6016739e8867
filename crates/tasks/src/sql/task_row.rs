use std::borrow::Cow;
use std::collections::BTreeSet;

use orchestrator_vocab::{Actor, AgentId, Capability, Id, Label, OrgId, ScheduleId, TaskId, Timestamp};
use sea_orm::{DbErr, QueryResult, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::damaged;
use crate::{Error, Fence, Place, State, Task};

/// The columns of a task, in the order of [`values`].
pub(super) const COLUMNS: &str = "org, id, status, priority, kind, owner, parent, schedule, wake_at, gone_at, deleted, \
                                  idempotency_key, fixed, live";
/// The columns that [`read`] needs, in its order.
pub(super) const READ: &str = "t.id, t.priority, t.kind, t.parent, t.schedule, t.idempotency_key, t.fixed, t.live";

/// What rarely changes once a task exists.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixed<'a> {
    title: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    description: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    required_capabilities: Cow<'a, BTreeSet<Capability>>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    tags: Cow<'a, BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Cow<'a, Map<String, Json>>,
    label: Label,
    created_by: Cow<'a, Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    concurrency_key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Millis>,
    max_attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    created_at: Millis,
}

/// What changes as a task is worked on.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Live<'a> {
    state: Cow<'a, State>,
    #[serde(default)]
    place: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_at: Option<Millis>,
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avoid: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_error: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<Cow<'a, Json>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assignment: Option<Cow<'a, Json>>,
    fence: Fence,
    updated_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Millis>,
}

/// A time as a number: shorter and quicker than its text.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Millis(i64);

impl From<Timestamp> for Millis {
    fn from(time: Timestamp) -> Self {
        Self(time.millis())
    }
}

impl From<Millis> for Timestamp {
    fn from(millis: Millis) -> Self {
        Self(millis.0)
    }
}

/// The values of a task's row, in the order of [`COLUMNS`].
pub(super) fn values(task: &Task, fixed: String) -> Result<[Value; 14], Error> {
    Ok([
        task.org.uuid().into(),
        task.id.uuid().into(),
        task.state.status().as_str().into(),
        task.priority.as_str().into(),
        task.kind.as_str().into(),
        task.state.owner().map(AgentId::as_str).into(),
        task.parent_id.map(Id::uuid).into(),
        task.schedule_id.map(Id::uuid).into(),
        task.wake_at().map(Timestamp::millis).into(),
        gone_at(task).map(Timestamp::millis).into(),
        i16::from(task.deleted_at.is_some()).into(),
        task.idempotency_key.as_deref().into(),
        fixed.into(),
        live(task)?.into(),
    ])
}

/// From when on retention counts.
fn gone_at(task: &Task) -> Option<Timestamp> {
    let finished_at = task.finished_at.filter(|_| task.state.is_finished());
    [finished_at, task.deleted_at].into_iter().flatten().min()
}

/// The column `fixed`.
pub(super) fn fixed(task: &Task) -> Result<String, Error> {
    let fixed = Fixed {
        title: Cow::Borrowed(&task.title),
        description: Cow::Borrowed(&task.description),
        required_capabilities: Cow::Borrowed(&task.required_capabilities),
        tags: Cow::Borrowed(&task.tags),
        metadata: Cow::Borrowed(&task.metadata),
        label: task.label,
        created_by: Cow::Borrowed(&task.created_by),
        concurrency_key: task.concurrency_key.as_deref().map(Cow::Borrowed),
        deadline: task.deadline.map(Millis::from),
        max_attempts: task.max_attempts,
        correlation: task.correlation.as_deref().map(Cow::Borrowed),
        traceparent: task.traceparent.as_deref().map(Cow::Borrowed),
        created_at: task.created_at.into(),
    };
    serde_json::to_string(&fixed).map_err(|error| Error::Store(error.into()))
}

fn live(task: &Task) -> Result<String, Error> {
    let live = Live {
        state: Cow::Borrowed(&task.state),
        place: task.place,
        run_at: task.run_at.map(Millis::from),
        attempt: task.attempt,
        avoid: task.avoid.clone(),
        last_error: task.last_error.as_deref().map(Cow::Borrowed),
        progress: task.progress.as_ref().map(Cow::Borrowed),
        assignment: task.assignment.as_ref().map(Cow::Borrowed),
        fence: task.fence,
        updated_at: task.updated_at.into(),
        started_at: task.started_at.map(Millis::from),
        finished_at: task.finished_at.map(Millis::from),
        deleted_at: task.deleted_at.map(Millis::from),
    };
    serde_json::to_string(&live).map_err(|error| Error::Store(error.into()))
}

/// A task from a row of the columns [`READ`], and the text of its column `fixed`.
pub(super) fn read(org: OrgId, row: &QueryResult) -> Result<(Task, String), Error> {
    let columns = Columns::of(row).map_err(orchestrator_sql::Error::from)?;
    let id = columns.id;
    let fixed: Fixed<'_> = serde_json::from_str(&columns.fixed).map_err(|error| damaged(id, &error))?;
    let live: Live<'_> = serde_json::from_str(&columns.live).map_err(|error| damaged(id, &error))?;
    let task = Task {
        id,
        org,
        title: fixed.title.into_owned(),
        description: fixed.description.into_owned(),
        kind: columns.kind,
        priority: columns.priority.parse().map_err(|error| damaged(id, &error))?,
        state: live.state.into_owned(),
        place: live.place,
        required_capabilities: fixed.required_capabilities.into_owned(),
        parent_id: columns.parent,
        tags: fixed.tags.into_owned(),
        metadata: fixed.metadata.into_owned(),
        label: fixed.label,
        created_by: fixed.created_by.into_owned(),
        idempotency_key: columns.idempotency_key,
        concurrency_key: fixed.concurrency_key.map(Cow::into_owned),
        run_at: live.run_at.map(Timestamp::from),
        deadline: fixed.deadline.map(Timestamp::from),
        attempt: live.attempt,
        max_attempts: fixed.max_attempts,
        avoid: live.avoid,
        last_error: live.last_error.map(Cow::into_owned),
        progress: live.progress.map(Cow::into_owned),
        assignment: live.assignment.map(Cow::into_owned),
        fence: live.fence,
        schedule_id: columns.schedule,
        correlation: fixed.correlation.map(Cow::into_owned),
        traceparent: fixed.traceparent.map(Cow::into_owned),
        created_at: fixed.created_at.into(),
        updated_at: live.updated_at.into(),
        started_at: live.started_at.map(Timestamp::from),
        finished_at: live.finished_at.map(Timestamp::from),
        deleted_at: live.deleted_at.map(Timestamp::from),
    };
    Ok((task, columns.fixed))
}

/// A row of the columns [`READ`].
struct Columns {
    id: TaskId,
    priority: String,
    kind: String,
    parent: Option<TaskId>,
    schedule: Option<ScheduleId>,
    idempotency_key: Option<String>,
    fixed: String,
    live: String,
}

impl Columns {
    fn of(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            id: Id::from_uuid(row.try_get_by_index(0)?),
            priority: row.try_get_by_index(1)?,
            kind: row.try_get_by_index(2)?,
            parent: row.try_get_by_index::<Option<_>>(3)?.map(Id::from_uuid),
            schedule: row.try_get_by_index::<Option<_>>(4)?.map(Id::from_uuid),
            idempotency_key: row.try_get_by_index(5)?,
            fixed: row.try_get_by_index(6)?,
            live: row.try_get_by_index(7)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_about_a_task_is_lost_in_its_columns() {
        // The whole way is tested on the databases by the conformance suite; this is about the two JSON columns.
        let json = r#"{"state":{"status":"blocked","waitingOn":2},"attempt":1,"fence":3,"updatedAt":5}"#;
        let live: Live<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(*live.state, State::Blocked { waiting_on: 2 });
        assert_eq!(serde_json::to_value(&live).unwrap()["place"], serde_json::json!({ "in": "nowhere" }));
    }
}
