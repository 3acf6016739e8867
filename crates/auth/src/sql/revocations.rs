use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr};

use super::statement;

/// Whether a token was revoked, or the family it came from.
pub(crate) async fn is_revoked<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    token: &str,
    family: Option<&str>,
) -> Result<bool, DbErr> {
    let sql = "select 1 from auth_revocations where org = $1 and token in ($2, $3)";
    let values = [org.uuid().into(), token.into(), family.unwrap_or(token).into()];
    connection.query_one_raw(statement(connection, sql, values)).await.map(|row| row.is_some())
}

/// Numbers and stores a revocation. `expires_at`: from when on the token is refused anyway, if that is known.
pub(crate) async fn insert_revocation<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    token: &str,
    expires_at: Option<Timestamp>,
) -> Result<(), DbErr> {
    let seq = raise_head(connection).await?;
    let sql = "insert into auth_revocations (org, token, seq, expires_at) values ($1, $2, $3, $4) \
               on conflict (org, token) do nothing";
    let values = [org.uuid().into(), token.into(), seq.into(), expires_at.map(Timestamp::millis).into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// The number of the next change. Whoever takes one is waited for until its commit, so that numbers become visible in
/// their order.
pub(crate) async fn raise_head<C: ConnectionTrait>(connection: &C) -> Result<i64, DbErr> {
    let raise = statement(connection, "update auth_head set seq = seq + 1 returning seq", []);
    let row = connection.query_one_raw(raise).await?;
    row.ok_or(DbErr::RecordNotFound("auth_head".to_owned()))?.try_get("", "seq")
}

/// The number of the last change.
pub(crate) async fn head<C: ConnectionTrait>(connection: &C) -> Result<i64, DbErr> {
    let row = connection.query_one_raw(statement(connection, "select seq from auth_head", [])).await?;
    row.map_or(Ok(0), |row| row.try_get("", "seq"))
}

/// Forgets the revocations of tokens that are refused anyway.
pub(crate) async fn forget_revocations<C: ConnectionTrait>(connection: &C, before: Timestamp) -> Result<(), DbErr> {
    let sql = "delete from auth_revocations where expires_at < $1";
    connection.execute_raw(statement(connection, sql, [before.millis().into()])).await.map(drop)
}
