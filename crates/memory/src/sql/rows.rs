use std::str::FromStr;

use orchestrator_vocab::{SessionId, TaskId};
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use uuid::Uuid;

use super::args::{Args, confidentiality_of, integrity_of};
use crate::{Error, Facets, Memory, Stored};

/// What [`stored`] reads.
pub(super) const COLUMNS: &str = "m.number, m.content, m.terms, m.digest, m.body";

/// What [`facets`] reads.
pub(super) const FACETS: &str =
    "m.tier, m.kind, m.scope, m.state, m.session, m.task, m.integrity, m.confidentiality, m.about";

/// Everything of a memory but its text.
pub(super) fn body(memory: &Memory) -> String {
    let without_text = Memory { text: String::new(), ..memory.clone() };
    serde_json::to_string(&without_text).expect("a memory is plain data")
}

/// By whom and what it can be asked for: one line each, between line breaks.
pub(super) fn about(memory: &Memory) -> String {
    let people = memory.people.iter().map(|name| format!("person:{name}\n"));
    let topics = memory.topics.iter().map(|name| format!("topic:{name}\n"));
    let lines: String = people.chain(topics).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

pub(super) fn stored(row: &QueryResult) -> Result<Stored, Error> {
    let body: String = row.try_get("", "body")?;
    let memory: Memory = serde_json::from_str(&body).map_err(|damaged| Error::Store(Box::new(damaged)))?;
    let digest: Vec<u8> = row.try_get("", "digest")?;
    Ok(Stored {
        number: row.try_get("", "number")?,
        memory: Memory { text: row.try_get("", "content")?, ..memory },
        terms: row.try_get("", "terms")?,
        digest: digest.try_into().map_err(|_| Error::Store("a digest of another length".into()))?,
    })
}

pub(super) async fn all<C: ConnectionTrait>(connection: &C, sql: String, args: Args) -> Result<Vec<Stored>, Error> {
    let statement: Statement = args.statement(connection, sql);
    connection.query_all_raw(statement).await?.iter().map(stored).collect()
}

pub(super) fn facets(row: &QueryResult) -> Result<Facets, Error> {
    let text = |column| row.try_get::<String>("", column);
    let id = |column| row.try_get::<Option<Uuid>>("", column);
    Ok(Facets {
        tier: parsed(&text("tier")?)?,
        kind: parsed(&text("kind")?)?,
        scope: parsed(&text("scope")?)?,
        state: parsed(&text("state")?)?,
        session: id("session")?.map(SessionId::from_uuid),
        task: id("task")?.map(TaskId::from_uuid),
        integrity: integrity_of(row.try_get("", "integrity")?),
        confidentiality: confidentiality_of(row.try_get("", "confidentiality")?),
        about: text("about")?,
    })
}

fn parsed<T: FromStr>(text: &str) -> Result<T, Error>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|damaged| Error::Store(Box::new(damaged)))
}

/// A vector as bytes, the lowest first.
pub(super) fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}
