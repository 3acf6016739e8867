use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr};

use super::statement;

pub(crate) async fn is_revoked<C: ConnectionTrait>(connection: &C, org: OrgId, token: &str) -> Result<bool, DbErr> {
    let sql = "select 1 from auth_revocations where org = $1 and token = $2";
    connection
        .query_one_raw(statement(connection, sql, [org.uuid().into(), token.into()]))
        .await
        .map(|row| row.is_some())
}

/// Numbers and stores a revocation. `expires_at`: from when on the token is refused anyway, if that is known.
pub(crate) async fn insert_revocation<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    token: &str,
    expires_at: Option<Timestamp>,
) -> Result<(), DbErr> {
    let raise = statement(connection, "update auth_head set seq = seq + 1 returning seq", []);
    let row = connection.query_one_raw(raise).await?;
    let seq: i64 = row.ok_or(DbErr::RecordNotFound("auth_head".to_owned()))?.try_get("", "seq")?;
    let sql = "insert into auth_revocations (org, token, seq, expires_at) values ($1, $2, $3, $4) \
               on conflict (org, token) do nothing";
    let values = [org.uuid().into(), token.into(), seq.into(), expires_at.map(Timestamp::millis).into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

pub(crate) async fn revocations_head<C: ConnectionTrait>(connection: &C) -> Result<i64, DbErr> {
    let row = connection.query_one_raw(statement(connection, "select seq from auth_head", [])).await?;
    row.map_or(Ok(0), |row| row.try_get("", "seq"))
}

pub(crate) async fn revocations_after<C: ConnectionTrait>(
    connection: &C,
    seq: i64,
    limit: u32,
) -> Result<Vec<(i64, OrgId, String)>, DbErr> {
    let sql = "select seq, org, token from auth_revocations where seq > $1 order by seq limit $2";
    let rows = connection.query_all_raw(statement(connection, sql, [seq.into(), i64::from(limit).into()])).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "seq")?, OrgId::from_uuid(row.try_get("", "org")?), row.try_get("", "token")?)))
        .collect()
}

/// Forgets the revocations of tokens that are refused anyway.
pub(crate) async fn forget_revocations<C: ConnectionTrait>(connection: &C, before: Timestamp) -> Result<(), DbErr> {
    let sql = "delete from auth_revocations where expires_at < $1";
    connection.execute_raw(statement(connection, sql, [before.millis().into()])).await.map(drop)
}
