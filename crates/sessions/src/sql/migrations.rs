use orchestrator_sql::{Backend, Migration};

pub(crate) const ALL: &[Migration] = &[
    Migration { name: "m0001_sessions", statements: sessions },
    Migration { name: "m0002_journal", statements: journal },
    Migration { name: "m0003_suspended", statements: suspended },
];

/// The columns are what is searched for; everything else is in `body`.
fn sessions(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!(
            "create table sessions_sessions (org {uuid} not null, id {uuid} not null, status text not null, \
             node text not null, epoch bigint not null, ended_at bigint, body text not null, \
             primary key (org, id)){clustered}"
        ),
        "create index sessions_sessions_status on sessions_sessions (org, status, id)".into(),
        "create index sessions_sessions_active on sessions_sessions (node, epoch) where ended_at is null".into(),
        "create index sessions_sessions_ended on sessions_sessions (ended_at) where ended_at is not null".into(),
    ]
}

/// Sessions from before have no journal and are over after a start: nobody looks for their task or fence.
fn journal(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!("alter table sessions_sessions add column task {uuid}"),
        "alter table sessions_sessions add column fence bigint not null default 0".into(),
        "alter table sessions_sessions add column entries bigint not null default 0".into(),
        "alter table sessions_sessions add column turns bigint not null default 0".into(),
        "create index sessions_sessions_task on sessions_sessions (org, task) where ended_at is null".into(),
        format!(
            "create table sessions_journal (org {uuid} not null, session {uuid} not null, number bigint not null, \
             at bigint not null, kind text not null, body text not null, primary key (org, session, number)){clustered}"
        ),
    ]
}

/// Under a key something is said once.
fn suspended(_: Backend) -> Vec<String> {
    vec![
        "create index sessions_sessions_suspended on sessions_sessions (id) where status = 'suspended'".into(),
        "alter table sessions_journal add column said_once text".into(),
        "create unique index sessions_journal_said_once on sessions_journal (org, session, said_once) \
         where said_once is not null"
            .into(),
    ]
}
