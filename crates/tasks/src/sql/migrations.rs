use orchestrator_sql::{Backend, Migration};

pub(super) const ALL: &[Migration] = &[
    Migration { name: "m0001_backlog", statements: backlog },
    Migration { name: "m0002_running", statements: running },
];

/// Ids are bytes, times are milliseconds. `fixed` and `live` are JSON as it was written: a task's description and
/// origin, which rarely change, and its progress. What is asked for by value has a column of its own.
fn backlog(backend: Backend) -> Vec<String> {
    [tasks(backend), edges(backend), queues(backend), schedules(backend)].concat()
}

/// What is in progress, by the end of its lease; see `count_running`. SQLite leaves no removed rows behind in an index.
fn running(backend: Backend) -> Vec<String> {
    let index = "create index tasks_task_running on tasks_task (org, wake_at, owner) \
                 where status = 'in_progress' and deleted = 0 and owner is not null";
    if backend == Backend::Postgres { vec![index.into()] } else { Vec::new() }
}

/// Names are compared byte by byte everywhere, whatever language the server speaks.
fn name(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "text",
        Backend::Postgres => "text collate \"C\"",
    }
}

fn tasks(backend: Backend) -> Vec<String> {
    let (uuid, clustered, name) = (backend.uuid(), backend.clustered(), name(backend));
    vec![
        format!(
            "create table tasks_task (org {uuid} not null, id {uuid} not null, status text not null, \
             priority text not null, kind text not null, owner text, parent {uuid}, schedule {uuid}, wake_at bigint, \
             gone_at bigint, deleted smallint not null, idempotency_key {name}, fixed text not null, \
             live text not null, primary key (org, id)){clustered}"
        ),
        "create index tasks_task_status on tasks_task (org, status, id, priority, owner) where deleted = 0".into(),
        "create index tasks_task_wake on tasks_task (wake_at) where wake_at is not null".into(),
        "create index tasks_task_gone on tasks_task (gone_at) where gone_at is not null".into(),
        "create unique index tasks_task_key on tasks_task (org, idempotency_key) where idempotency_key is not null"
            .into(),
        "create index tasks_task_parent on tasks_task (org, parent, id) where parent is not null".into(),
        "create index tasks_task_schedule on tasks_task (org, schedule, id) where schedule is not null".into(),
        format!(
            "create table tasks_tag (org {uuid} not null, tag {name} not null, task {uuid} not null, \
             primary key (org, tag, task)){clustered}"
        ),
        "create index tasks_tag_task on tasks_tag (org, task)".into(),
    ]
}

fn edges(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    let mut statements = vec![
        format!(
            "create table tasks_edge (org {uuid} not null, task {uuid} not null, depends_on {uuid} not null, \
             on_failure text not null, met smallint not null, rev bigint not null, \
             primary key (org, task, depends_on)){clustered}"
        ),
        "create index tasks_edge_to on tasks_edge (org, depends_on, task)".into(),
        format!(
            "create table tasks_graph (org {uuid} not null primary key, rev bigint not null, \
             removals bigint not null){clustered}"
        ),
    ];
    if backend == Backend::Postgres {
        // Another daemon's edges are caught up with by this.
        statements.push("create index tasks_edge_rev on tasks_edge (org, rev)".into());
    }
    statements
}

/// What may be claimed now, and what waits in line for a slot of its concurrency key.
fn queues(backend: Backend) -> Vec<String> {
    let (uuid, clustered, name) = (backend.uuid(), backend.clustered(), name(backend));
    let ready = format!("rank bigint not null, id {uuid} not null, priority text not null, avoid text");
    vec![
        format!(
            "create table tasks_ready (org {uuid} not null, class {name} not null, {ready}, \
             primary key (org, id)){clustered}"
        ),
        // Holds all that the scheduler reads, in its order: the heads of a class are one short walk.
        "create index tasks_ready_order on tasks_ready (org, class, rank, id, priority, avoid)".into(),
        format!(
            "create table tasks_line (org {uuid} not null, slot {name} not null, class {name} not null, {ready}, \
             primary key (org, id)){clustered}"
        ),
        "create index tasks_line_order on tasks_line (org, slot, rank, id)".into(),
        format!(
            "create table tasks_slot (org {uuid} not null, slot {name} not null, taken bigint not null, \
             primary key (org, slot)){clustered}"
        ),
    ]
}

fn schedules(backend: Backend) -> Vec<String> {
    let (uuid, clustered, name) = (backend.uuid(), backend.clustered(), name(backend));
    vec![
        format!(
            "create table tasks_schedule (org {uuid} not null, id {uuid} not null, due_at bigint, \
             idempotency_key {name}, body text not null, primary key (org, id)){clustered}"
        ),
        "create index tasks_schedule_due on tasks_schedule (due_at) where due_at is not null".into(),
        "create unique index tasks_schedule_key on tasks_schedule (org, idempotency_key) \
         where idempotency_key is not null"
            .into(),
        format!(
            "create table tasks_occurrence (org {uuid} not null, schedule {uuid} not null, instant bigint not null, \
             task {uuid}, primary key (org, schedule, instant)){clustered}"
        ),
    ]
}
