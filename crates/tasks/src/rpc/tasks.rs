use std::collections::BTreeSet;

use orchestrator_events::{Event, Order as LogOrder, Query as LogQuery};
use orchestrator_rpc::page::{Cursor, Limit, Page};
use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_vocab::{AgentId, Capability, ScheduleId, TaskId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{Deleted, Desk, Items};
use crate::{Dependency, Draft, Explanation, Order, Patch, Priority, Query, Status, View};

pub(super) fn operations(desk: &Desk) -> Table {
    writing(desk).merge(reading(desk))
}

fn writing(desk: &Desk) -> Table {
    let (create, create_many, update, cancel, retry, delete) =
        (desk.clone(), desk.clone(), desk.clone(), desk.clone(), desk.clone(), desk.clone());
    let conflicts = [Code::NotFound, Code::Conflict];
    Table::new()
        .with(
            Operation::new("task.create", Scope::Write, "Creates a task and returns it", move |call, p| {
                create.clone().create(call, p)
            })
            .creates()
            .tool(),
        )
        .with(
            Operation::new(
                "task.createMany",
                Scope::Write,
                "Creates up to 1,000 tasks, all or none",
                move |call, p| create_many.clone().create_many(call, p),
            )
            .creates()
            .fails_with([Code::Conflict])
            .tool(),
        )
        .with(
            Operation::new("task.update", Scope::Write, "Changes what a task says", move |call, p| {
                update.clone().update(call, p)
            })
            .fails_with(conflicts)
            .tool(),
        )
        .with(
            Operation::new("task.cancel", Scope::Write, "Calls a task off, and what depends on it", move |call, p| {
                cancel.clone().cancel(call, p)
            })
            .fails_with(conflicts)
            .tool(),
        )
        .with(
            Operation::new("task.retry", Scope::Write, "Starts a failed or cancelled task anew", move |call, p| {
                retry.clone().retry(call, p)
            })
            .fails_with(conflicts)
            .tool(),
        )
        .with(
            Operation::new(
                "task.delete",
                Scope::Write,
                "Hides a task for good, cancelled if need be",
                move |call, p| delete.clone().delete(call, p),
            )
            .fails_with([Code::NotFound]),
        )
}

fn reading(desk: &Desk) -> Table {
    let (get, list, explain, history) = (desk.clone(), desk.clone(), desk.clone(), desk.clone());
    Table::new()
        .with(
            Operation::new("task.get", Scope::Read, "A task with its dependencies", move |call, p| {
                get.clone().get(call, p)
            })
            .fails_with([Code::NotFound])
            .read_only()
            .tool(),
        )
        .with(
            Operation::new("task.list", Scope::Read, "Tasks by status, owner, kind, tag and more", move |call, p| {
                list.clone().list(call, p)
            })
            .read_only()
            .tool(),
        )
        .with(
            Operation::new("task.explain", Scope::Read, "Why a task runs where it runs, or why not", move |call, p| {
                explain.clone().explain(call, p)
            })
            .fails_with([Code::NotFound])
            .read_only()
            .tool(),
        )
        .with(
            Operation::new("task.history", Scope::Read, "What happened to a task, oldest first", move |call, p| {
                history.clone().history(call, p)
            })
            .fails_with([Code::NotFound])
            .read_only()
            .tool(),
        )
}

/// Names one task.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TaskParams {
    /// The task.
    pub(super) task_id: TaskId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateManyParams {
    /// What to create, 1 to 1,000. They may depend on each other: `ref` and `dependsOnRefs`.
    #[schemars(length(max = 1_000))]
    tasks: Vec<Draft>,
    /// Creating again under the same key returns the first tasks; up to 190 characters.
    #[serde(default)]
    #[schemars(length(min = 1, max = 190), regex(pattern = crate::check::VISIBLE))]
    idempotency_key: Option<String>,
}

/// What is absent stays; `runAt` and `deadline` are removed by `null`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateParams {
    /// The task.
    task_id: TaskId,
    /// One line, 1 to 500 characters.
    #[schemars(length(min = 1, max = 500), regex(pattern = crate::check::VISIBLE))]
    title: Option<String>,
    /// Up to 100 kB.
    #[schemars(length(max = 100_000), regex(pattern = crate::check::WITHOUT_NUL))]
    description: Option<String>,
    /// What sort of work it is, up to 64 characters.
    #[schemars(length(min = 1, max = 64), regex(pattern = crate::check::VISIBLE))]
    kind: Option<String>,
    /// How soon it should run compared with others.
    priority: Option<Priority>,
    /// What an agent must be able to do to work on it; counts from the next claim.
    #[schemars(length(max = 32))]
    required_capabilities: Option<BTreeSet<Capability>>,
    /// Replaces all tags.
    #[schemars(length(max = 64), inner(length(min = 1, max = 64), regex(pattern = crate::check::VISIBLE)))]
    tags: Option<BTreeSet<String>>,
    /// Replaces all metadata but what the daemon noted there, under keys that begin with `daemon.`.
    metadata: Option<Map<String, Value>>,
    /// Not before this time.
    #[serde(default, deserialize_with = "nullable")]
    run_at: Option<Option<Timestamp>>,
    /// When it fails unless it has finished.
    #[serde(default, deserialize_with = "nullable")]
    deadline: Option<Option<Timestamp>>,
    /// After how many attempts a failure is final, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    max_attempts: Option<u32>,
}

/// Tells `null` (remove it) from absence (leave it).
fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CancelParams {
    /// The task.
    task_id: TaskId,
    /// Why, for those who read it later.
    #[serde(default)]
    #[schemars(length(max = 16_000), regex(pattern = crate::check::WITHOUT_NUL))]
    reason: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListParams {
    /// In one of these.
    #[serde(default)]
    status: Vec<Status>,
    /// Of one of these.
    #[serde(default)]
    priority: Vec<Priority>,
    /// In progress at this agent.
    owner: Option<AgentId>,
    /// Of this kind.
    kind: Option<String>,
    /// Bears this tag.
    tag: Option<String>,
    /// A part of this task.
    parent_id: Option<TaskId>,
    /// Created by this schedule.
    schedule_id: Option<ScheduleId>,
    /// Upwards (`oldest`, the default) or downwards (`newest`) by the time of creation.
    #[serde(default)]
    order: Order,
    /// How many tasks at most.
    #[serde(default)]
    limit: Limit,
    /// Where to go on: `nextCursor` of the page before.
    cursor: Option<Cursor>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HistoryParams {
    /// The task.
    task_id: TaskId,
    /// How many events at most.
    #[serde(default)]
    limit: Limit,
    /// Where to go on: `nextCursor` of the page before.
    cursor: Option<Cursor>,
}

impl Desk {
    async fn create(self, call: Call, draft: Draft) -> Result<View, Error> {
        let draft = Draft { idempotency_key: call.idempotency_key.clone(), ..draft };
        Ok(self.backlog.create(&(&call).into(), draft).await?.into())
    }

    async fn create_many(self, call: Call, params: CreateManyParams) -> Result<Items<View>, Error> {
        let mut drafts = params.tasks;
        if let Some(key) = call.idempotency_key.as_ref().or(params.idempotency_key.as_ref()) {
            for (index, draft) in drafts.iter_mut().enumerate() {
                draft.idempotency_key.get_or_insert_with(|| format!("{key}/{index}"));
            }
        }
        let tasks = self.backlog.create_many(&(&call).into(), drafts).await?;
        Ok(Items { items: tasks.into_iter().map(View::from).collect() })
    }

    async fn update(self, call: Call, params: UpdateParams) -> Result<View, Error> {
        let patch = Patch {
            title: params.title,
            description: params.description,
            kind: params.kind,
            priority: params.priority,
            required_capabilities: params.required_capabilities,
            tags: params.tags,
            metadata: params.metadata,
            run_at: params.run_at,
            deadline: params.deadline,
            max_attempts: params.max_attempts,
        };
        Ok(self.backlog.update(&(&call).into(), params.task_id, patch).await?.into())
    }

    async fn cancel(self, call: Call, params: CancelParams) -> Result<View, Error> {
        let reason = params.reason.unwrap_or_else(|| format!("cancelled by {}", call.actor()));
        Ok(self.backlog.cancel(&(&call).into(), params.task_id, &reason).await?.into())
    }

    async fn retry(self, call: Call, params: TaskParams) -> Result<View, Error> {
        Ok(self.backlog.retry(&(&call).into(), params.task_id).await?.into())
    }

    async fn delete(self, call: Call, params: TaskParams) -> Result<Deleted, Error> {
        self.backlog.delete(&(&call).into(), params.task_id).await?;
        Ok(Deleted { deleted: true })
    }

    async fn get(self, call: Call, params: TaskParams) -> Result<View, Error> {
        let (task, edges) = self.backlog.get(call.org(), params.task_id).await?;
        let dependency = |edge: crate::Edge| Dependency { task_id: edge.depends_on, on_failure: edge.on_failure };
        Ok(View { depends_on: Some(edges.into_iter().map(dependency).collect()), ..task.into() })
    }

    async fn list(self, call: Call, params: ListParams) -> Result<Page<View>, Error> {
        let limit = params.limit.get();
        let query = Query {
            statuses: params.status,
            priorities: params.priority,
            owner: params.owner,
            kind: params.kind,
            tag: params.tag,
            parent_id: params.parent_id,
            schedule_id: params.schedule_id,
            order: params.order,
            after: params.cursor.map(|cursor| cursor.read()).transpose()?,
            limit,
        };
        let tasks = self.backlog.list(call.org(), query).await?;
        let next_cursor = tasks.last().filter(|_| tasks.len() == limit).map(|last| Cursor::of(&last.id));
        Ok(Page { items: tasks.into_iter().map(View::from).collect(), next_cursor })
    }

    async fn explain(self, call: Call, params: TaskParams) -> Result<Explanation, Error> {
        let agents = self.workforce.agents(call.org()).await?;
        Ok(self.backlog.explain(call.org(), params.task_id, agents).await?)
    }

    async fn history(self, call: Call, params: HistoryParams) -> Result<Page<Event>, Error> {
        self.backlog.get(call.org(), params.task_id).await?;
        let limit = params.limit.get();
        let query = LogQuery {
            after: params.cursor.map(|cursor| cursor.read()).transpose()?,
            before: None,
            subject: Some(params.task_id.to_string()),
            order: LogOrder::OldestFirst,
            limit,
        };
        let events = self.log.query(call.org(), query).await.map_err(Error::internal)?;
        let next_cursor = events.last().filter(|_| events.len() == limit).map(|last| Cursor::of(&last.seq));
        Ok(Page { items: events.iter().map(|event| Event::clone(event)).collect(), next_cursor })
    }
}
