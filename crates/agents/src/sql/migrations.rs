use orchestrator_sql::{Backend, Migration};

pub(crate) const ALL: &[Migration] = &[Migration { name: "m0001_agents", statements: agents }];

/// A program's row says only what differs from its configuration: it is disabled, or narrowed.
fn agents(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!(
            "create table agents_agents (org {uuid} not null, id text not null, kind text not null, \
             status text not null, description text not null, capabilities text, max_concurrent bigint, \
             registered_at bigint not null, last_seen bigint not null, primary key (org, id)){clustered}"
        ),
        "create index agents_agents_seen on agents_agents (kind, status, last_seen)".into(),
    ]
}
