use orchestrator_sql::{Backend, Migration};

pub(crate) const ALL: &[Migration] = &[
    Migration { name: "m0001_memory", statements: memory },
    Migration { name: "m0002_forgotten", statements: forgotten },
];

/// What is asked for has a column; everything else is in `body`. On SQLite each organisation has a table of words of its own,
/// made when it first remembers something: nobody's words weigh on another's.
fn memory(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    let (number, blob, words) = match backend {
        Backend::Sqlite => ("integer primary key autoincrement", "blob", ""),
        Backend::Postgres => ("bigserial primary key", "bytea", ", words_index tsvector not null"),
    };
    let mut statements = vec![
        format!(
            "create table memory_memories (number {number}, org {uuid} not null, id {uuid} not null, tier text not null, \
             kind text not null, scope text not null, state text not null, session {uuid}, place bigint, task {uuid}, \
             integrity bigint not null, confidentiality bigint not null, created_at bigint not null, expires_at bigint, \
             about text not null, digest {blob} not null, bytes bigint not null, words bigint not null, \
             content text not null, terms text not null, body text not null{words})"
        ),
        "create unique index memory_memories_id on memory_memories (org, id)".into(),
        "create index memory_memories_tier on memory_memories (org, tier, number)".into(),
        "create index memory_memories_place on memory_memories (org, session, place) where session is not null".into(),
        "create index memory_memories_expires on memory_memories (expires_at) where expires_at is not null".into(),
        "create index memory_memories_aged on memory_memories (created_at) where tier = 'episodic'".into(),
        "create index memory_memories_digest on memory_memories (org, digest)".into(),
        format!(
            "create table memory_usage (org {uuid} not null, tier text not null, session {uuid} not null, \
             memories bigint not null, bytes bigint not null, words bigint not null, \
             primary key (org, tier, session)){clustered}"
        ),
        format!(
            "create table memory_vectors (version {number}, org {uuid} not null, embedder text not null, \
             memory bigint not null, vector {blob} not null)"
        ),
        "create unique index memory_vectors_memory on memory_vectors (memory, embedder)".into(),
        "create index memory_vectors_org on memory_vectors (org, embedder, version)".into(),
        "create index memory_vectors_embedder on memory_vectors (embedder)".into(),
    ];
    if backend == Backend::Postgres {
        statements.push("create index memory_memories_words on memory_memories using gin (words_index)".into());
    }
    statements
}

/// What was removed, by its name only: it is not to come back unasked.
fn forgotten(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![format!(
        "create table memory_forgotten (org {uuid} not null, id {uuid} not null, at bigint not null, \
         primary key (org, id)){clustered}"
    )]
}
