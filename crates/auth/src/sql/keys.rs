use orchestrator_vocab::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{raise_head, statement};
use crate::Algorithm;

/// A key of a ring, as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredSigningKey {
    pub(crate) ring: String,
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    /// `None` for a configured key, and for one that was retired.
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) created_at: Timestamp,
    pub(crate) retired_at: Option<Timestamp>,
}

/// In the order they were made.
pub(crate) async fn signing_keys<C: ConnectionTrait>(connection: &C) -> Result<Vec<StoredSigningKey>, DbErr> {
    let sql = "select ring, id, algorithm, sealed, created_at, retired_at from auth_keys order by seq";
    connection.query_all_raw(statement(connection, sql, [])).await?.iter().map(key).collect()
}

/// How many keys of a ring count, beside the configured one.
pub(crate) async fn count_signing_keys<C: ConnectionTrait>(connection: &C, ring: &str) -> Result<i64, DbErr> {
    let sql = "select count(*) as keys from auth_keys where ring = $1 and retired_at is null";
    let row = connection.query_one_raw(statement(connection, sql, [ring.into()])).await?;
    row.map_or(Ok(0), |row| row.try_get("", "keys"))
}

/// Of a ring, the key that signs. `None`: the configured one.
pub(crate) async fn newest_signing_key<C: ConnectionTrait>(
    connection: &C,
    ring: &str,
) -> Result<Option<String>, DbErr> {
    let sql = "select id from auth_keys where ring = $1 and retired_at is null order by seq desc limit 1";
    let row = connection.query_one_raw(statement(connection, sql, [ring.into()])).await?;
    row.map(|row| row.try_get("", "id")).transpose()
}

pub(crate) async fn insert_signing_key<C: ConnectionTrait>(
    connection: &C,
    key: &StoredSigningKey,
) -> Result<(), DbErr> {
    let seq = raise_head(connection).await?;
    let sql = "insert into auth_keys (ring, id, seq, algorithm, sealed, created_at) values ($1, $2, $3, $4, $5, $6)";
    let values = [
        key.ring.as_str().into(),
        key.id.as_str().into(),
        seq.into(),
        key.algorithm.as_str().into(),
        key.sealed.clone().into(),
        key.created_at.millis().into(),
    ];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// Destroys a key. A configured one is not in the table before.
pub(crate) async fn retire_signing_key<C: ConnectionTrait>(
    connection: &C,
    key: &StoredSigningKey,
    at: Timestamp,
) -> Result<(), DbErr> {
    let seq = raise_head(connection).await?;
    let sql = "insert into auth_keys (ring, id, seq, algorithm, created_at, retired_at) values ($1, $2, $3, $4, $5, $6) \
               on conflict (ring, id) do update set sealed = null, retired_at = excluded.retired_at";
    let values = [
        key.ring.as_str().into(),
        key.id.as_str().into(),
        seq.into(),
        key.algorithm.as_str().into(),
        key.created_at.millis().into(),
        at.millis().into(),
    ];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

fn key(row: &QueryResult) -> Result<StoredSigningKey, DbErr> {
    let algorithm: String = row.try_get("", "algorithm")?;
    Ok(StoredSigningKey {
        ring: row.try_get("", "ring")?,
        id: row.try_get("", "id")?,
        algorithm: if algorithm == Algorithm::EdDsa.as_str() { Algorithm::EdDsa } else { Algorithm::Hs256 },
        sealed: row.try_get("", "sealed")?,
        created_at: Timestamp(row.try_get("", "created_at")?),
        retired_at: row.try_get::<Option<i64>>("", "retired_at")?.map(Timestamp),
    })
}
