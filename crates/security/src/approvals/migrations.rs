use orchestrator_sql::{Backend, Migration};

pub(crate) const APPROVALS: Migration = Migration { name: "m0002_approvals", statements: approvals };

/// What is searched for has a column; everything else is in `body`. `told` is 0 until the session knows what was answered.
fn approvals(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!(
            "create table security_approvals (org {uuid} not null, id {uuid} not null, session {uuid} not null, \
             place text not null, request text not null, status text not null, expires_at bigint not null, \
             told bigint not null, body text not null, primary key (org, id)){clustered}"
        ),
        "create unique index security_approvals_place on security_approvals (org, session, place)".into(),
        "create index security_approvals_status on security_approvals (status, expires_at)".into(),
        "create index security_approvals_untold on security_approvals (told, status)".into(),
        format!(
            "create table security_grants (org {uuid} not null, id {uuid} not null, agent text not null, \
             tool text not null, digest text not null, body text not null, primary key (org, id)){clustered}"
        ),
        "create unique index security_grants_call on security_grants (org, agent, tool, digest)".into(),
    ]
}
