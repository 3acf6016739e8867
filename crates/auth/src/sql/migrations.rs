use orchestrator_sql::{Backend, Migration};
use orchestrator_vocab::OrgId;

pub(crate) const ALL: &[Migration] = &[
    Migration { name: "m0001_credentials", statements: credentials },
    Migration { name: "m0002_keys_and_families", statements: keys_and_families },
];

fn credentials(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    let local = OrgId::LOCAL.uuid().simple();
    let (bytes, local) = match backend {
        Backend::Postgres => ("bytea", format!("'{local}'")),
        Backend::Sqlite => ("blob", format!("x'{local}'")),
    };
    vec![
        format!(
            "create table auth_orgs (id {uuid} not null primary key, name text not null unique, \
             created_at bigint not null, creation_key text unique)"
        ),
        format!("insert into auth_orgs (id, name, created_at) values ({local}, 'local', 0)"),
        format!(
            "create table auth_tokens (id text not null primary key, org {uuid} not null, kind text not null, \
             hash {bytes}, name text, subject text not null, scopes text not null, created_at bigint not null, \
             expires_at bigint, revoked_at bigint, last_used_at bigint){clustered}"
        ),
        "create index auth_tokens_org on auth_tokens (org, id)".into(),
        "create index auth_tokens_expiry on auth_tokens (expires_at) where expires_at is not null".into(),
        format!(
            "create table auth_revocations (org {uuid} not null, token text not null, seq bigint not null, \
             expires_at bigint, primary key (org, token)){clustered}"
        ),
        "create unique index auth_revocations_seq on auth_revocations (seq)".into(),
        // One row. Whoever revokes holds it until the commit, so that `seq` becomes visible in order.
        "create table auth_head (seq bigint not null)".into(),
        "insert into auth_head (seq) values (0)".into(),
    ]
}

fn keys_and_families(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    let bytes = match backend {
        Backend::Postgres => "bytea",
        Backend::Sqlite => "blob",
    };
    vec![
        // Signing keys that took the place of the configured one. Sealed under it, so that a copy of the database signs
        // nothing; `ring` names the configured key.
        format!(
            "create table auth_keys (ring text not null, id text not null, seq bigint not null, \
             algorithm text not null, sealed {bytes}, created_at bigint not null, retired_at bigint, \
             primary key (ring, id)){clustered}"
        ),
        // Like revocations, numbered by `auth_head`: what else open connections have to hear of.
        format!(
            "create table auth_changes (seq bigint not null primary key, kind text not null, org {uuid} not null, \
             name text not null, created_at bigint not null){clustered}"
        ),
        // What `auth_tokens` does not say of a family of refresh tokens; `id` is the same.
        format!(
            "create table auth_families (id text not null primary key, generation bigint not null, \
             hash {bytes} not null, previous {bytes}, rotated_at bigint, idle_until bigint not null, \
             access_ms bigint not null){clustered}"
        ),
    ]
}
