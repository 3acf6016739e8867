use orchestrator_sql::{Backend, Migration};

pub(crate) const ALL: &[Migration] = &[Migration { name: "m0001_workspaces", statements: workspaces }];

/// The columns are what is searched for; everything else is in `body`.
fn workspaces(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!(
            "create table workspaces_workspaces (org {uuid} not null, session {uuid} not null, status text not null, \
             node text not null, closed_at bigint, body text not null, primary key (org, session)){clustered}"
        ),
        "create index workspaces_workspaces_open on workspaces_workspaces (node, org, session) where closed_at is null"
            .into(),
        "create index workspaces_workspaces_closed on workspaces_workspaces (closed_at) where closed_at is not null"
            .into(),
    ]
}
