use orchestrator_sql::{Backend, Migration};

pub(crate) const ALL: &[Migration] = &[Migration { name: "m0001_sessions", statements: sessions }];

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
