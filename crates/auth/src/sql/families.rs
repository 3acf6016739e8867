use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::statement;
use super::tokens::{moment, scopes};
use crate::family::Family;

const COLUMNS: &str = "select t.org, t.subject, t.scopes, t.revoked_at, t.expires_at, f.generation, f.hash, f.previous, \
                       f.rotated_at, f.idle_until, f.access_ms \
                       from auth_families f join auth_tokens t on t.id = f.id where f.id = $1";

/// A family of refresh tokens, locked until the end of the transaction.
pub(crate) async fn family(tx: &Tx, id: &str) -> Result<Option<Family>, DbErr> {
    // Locks the token's row too: whoever revokes or changes the family waits, or is waited for.
    let lock = if tx.is_postgres() { " for update" } else { "" };
    let row = tx.query_one_raw(statement(tx, &format!("{COLUMNS}{lock}"), [id.into()])).await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &QueryResult) -> Result<Family, DbErr> {
    Ok(Family {
        org: OrgId::from_uuid(row.try_get("", "org")?),
        subject: row.try_get("", "subject")?,
        scopes: scopes(row)?,
        is_revoked: moment(row, "revoked_at")?.is_some(),
        generation: row.try_get("", "generation")?,
        hash: row.try_get("", "hash")?,
        previous: row.try_get("", "previous")?,
        rotated_at: moment(row, "rotated_at")?,
        idle_until: Timestamp(row.try_get("", "idle_until")?),
        ends_at: moment(row, "expires_at")?.unwrap_or_default(),
        access_ms: row.try_get("", "access_ms")?,
    })
}

/// A new family with its first token.
pub(crate) async fn insert_family<C: ConnectionTrait>(
    connection: &C,
    id: &str,
    hash: &[u8],
    idle_until: Timestamp,
    access_ms: i64,
) -> Result<(), DbErr> {
    let sql = "insert into auth_families (id, generation, hash, idle_until, access_ms) values ($1, 0, $2, $3, $4)";
    let values = [id.into(), hash.to_vec().into(), idle_until.millis().into(), access_ms.into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// The next token of a family takes the place of the current one.
pub(crate) async fn rotate_family<C: ConnectionTrait>(
    connection: &C,
    id: &str,
    hash: &[u8],
    now: Timestamp,
    idle_until: Timestamp,
) -> Result<(), DbErr> {
    let sql = "update auth_families set generation = generation + 1, previous = hash, hash = $2, rotated_at = $3, \
               idle_until = $4 where id = $1";
    let values = [id.into(), hash.to_vec().into(), now.millis().into(), idle_until.millis().into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// Forgets the families whose last token ended before a moment; before their tokens are forgotten.
pub(crate) async fn forget_families<C: ConnectionTrait>(connection: &C, before: Timestamp) -> Result<(), DbErr> {
    let sql = "delete from auth_families where id in (select id from auth_tokens where expires_at < $1)";
    connection.execute_raw(statement(connection, sql, [before.millis().into()])).await.map(drop)
}
