use orchestrator_rpc::{Scope, Scopes};
use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::statement;
use crate::{TokenKind, TokenRecord};

const COLUMNS: &str = "id, org, kind, name, subject, scopes, created_at, expires_at, revoked_at, last_used_at";

/// What a shown API key is compared with.
pub(crate) struct StoredKey {
    pub(crate) org: OrgId,
    pub(crate) hash: Vec<u8>,
    pub(crate) subject: String,
    pub(crate) scopes: Scopes,
    pub(crate) expires_at: Option<Timestamp>,
}

pub(crate) async fn insert_token<C: ConnectionTrait>(
    connection: &C,
    token: &TokenRecord,
    hash: Option<Vec<u8>>,
) -> Result<(), DbErr> {
    let sql = "insert into auth_tokens (id, org, kind, hash, name, subject, scopes, created_at, expires_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values = [
        token.id.as_str().into(),
        token.org.uuid().into(),
        token.kind.as_str().into(),
        hash.into(),
        token.name.clone().into(),
        token.subject.as_str().into(),
        token.scopes.to_string().into(),
        token.created_at.millis().into(),
        token.expires_at.map(Timestamp::millis).into(),
    ];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

pub(crate) async fn key_by_id<C: ConnectionTrait>(connection: &C, id: &str) -> Result<Option<StoredKey>, DbErr> {
    let sql = "select org, hash, subject, scopes, expires_at from auth_tokens where id = $1 and kind = 'apiKey'";
    let row = connection.query_one_raw(statement(connection, sql, [id.into()])).await?;
    row.map(|row| {
        Ok(StoredKey {
            org: OrgId::from_uuid(row.try_get("", "org")?),
            hash: row.try_get("", "hash")?,
            subject: row.try_get("", "subject")?,
            scopes: scopes(&row)?,
            expires_at: moment(&row, "expires_at")?,
        })
    })
    .transpose()
}

/// What is known of a token of the organisation.
pub(crate) async fn token<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    id: &str,
) -> Result<Option<TokenRecord>, DbErr> {
    let sql = format!("select {COLUMNS} from auth_tokens where org = $1 and id = $2");
    let row = connection.query_one_raw(statement(connection, &sql, [org.uuid().into(), id.into()])).await?;
    row.as_ref().map(record).transpose()
}

pub(crate) async fn set_scopes<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    id: &str,
    scopes: Scopes,
) -> Result<(), DbErr> {
    let sql = "update auth_tokens set scopes = $1 where org = $2 and id = $3";
    let values = [scopes.to_string().into(), org.uuid().into(), id.into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

pub(crate) async fn mark_revoked<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    id: &str,
    at: Timestamp,
) -> Result<(), DbErr> {
    let sql = "update auth_tokens set revoked_at = $1 where org = $2 and id = $3";
    let values = [at.millis().into(), org.uuid().into(), id.into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

pub(crate) async fn mark_used<C: ConnectionTrait>(connection: &C, id: &str, at: Timestamp) -> Result<(), DbErr> {
    let sql = "update auth_tokens set last_used_at = $1 where id = $2";
    connection.execute_raw(statement(connection, sql, [at.millis().into(), id.into()])).await.map(drop)
}

/// Whose a token that has ended was is nobody's business any more.
pub(crate) async fn forget_holder<C: ConnectionTrait>(connection: &C, org: OrgId, id: &str) -> Result<(), DbErr> {
    let sql = "update auth_tokens set subject = $1, name = null where org = $2 and id = $3";
    let values = [orchestrator_redact::ERASED.into(), org.uuid().into(), id.into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// Forgets tokens that ended before a moment.
pub(crate) async fn forget_tokens<C: ConnectionTrait>(connection: &C, before: Timestamp) -> Result<(), DbErr> {
    let sql = "delete from auth_tokens where expires_at < $1";
    connection.execute_raw(statement(connection, sql, [before.millis().into()])).await.map(drop)
}

/// In the order of their ids.
pub(crate) async fn tokens_after<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    after: &str,
    limit: u32,
) -> Result<Vec<TokenRecord>, DbErr> {
    let sql = format!("select {COLUMNS} from auth_tokens where org = $1 and id > $2 order by id limit $3");
    let values = [org.uuid().into(), after.into(), i64::from(limit).into()];
    connection.query_all_raw(statement(connection, &sql, values)).await?.iter().map(record).collect()
}

fn record(row: &QueryResult) -> Result<TokenRecord, DbErr> {
    let kind: String = row.try_get("", "kind")?;
    Ok(TokenRecord {
        id: row.try_get("", "id")?,
        org: OrgId::from_uuid(row.try_get("", "org")?),
        kind: TokenKind::ALL.into_iter().find(|known| known.as_str() == kind).unwrap_or(TokenKind::ApiKey),
        name: row.try_get("", "name")?,
        subject: row.try_get("", "subject")?,
        scopes: scopes(row)?,
        created_at: Timestamp(row.try_get("", "created_at")?),
        expires_at: moment(row, "expires_at")?,
        revoked_at: moment(row, "revoked_at")?,
        last_used_at: moment(row, "last_used_at")?,
    })
}

/// A scope that this version does not know allows nothing.
pub(super) fn scopes(row: &QueryResult) -> Result<Scopes, DbErr> {
    let text: String = row.try_get("", "scopes")?;
    Ok(text.split(' ').filter_map(|word| word.parse::<Scope>().ok()).collect())
}

pub(super) fn moment(row: &QueryResult, column: &str) -> Result<Option<Timestamp>, DbErr> {
    Ok(row.try_get::<Option<i64>>("", column)?.map(Timestamp))
}
