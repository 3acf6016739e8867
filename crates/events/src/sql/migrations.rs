use orchestrator_sql::{Backend, Migration};
use orchestrator_vocab::EventId;

pub(super) const ALL: &[Migration] = &[
    Migration { name: "m0001_log", statements: log },
    Migration { name: "m0002_windows", statements: windows },
    Migration { name: "m0003_identity", statements: identity },
];

fn log(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!(
            "create table events_log (org {uuid} not null, seq bigint not null, id {uuid} not null, name text not null, \
             time bigint not null, actor text not null, subject text, correlation text, causation {uuid}, \
             payload text not null, primary key (org, seq)){clustered}"
        ),
        "create index events_log_subject on events_log (org, subject, seq) where subject is not null".into(),
        format!("create table events_head (org {uuid} not null primary key, seq bigint not null){clustered}"),
    ]
}

/// What tells this log from every other: made where the tables are made, so a copy of the database has the same.
fn identity(_: Backend) -> Vec<String> {
    let id = EventId::new().uuid().simple().to_string();
    vec![
        "create table events_identity (id text not null primary key)".into(),
        format!("insert into events_identity (id) values ('{id}')"),
    ]
}

fn windows(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!(
            "create table events_windows (id {uuid} not null primary key, org {uuid} not null, subject text not null, \
             generation bigint not null, positions text not null, seen bigint not null){clustered}"
        ),
        // Apart, because the other table is written again and again while the subscriber is there.
        format!(
            "create table events_windows_definitions (id {uuid} not null primary key references events_windows (id) \
             on delete cascade, definitions text not null)"
        ),
        "create index events_windows_owner on events_windows (org, subject, seen)".into(),
        "create index events_windows_org on events_windows (org, seen)".into(),
    ]
}
