use orchestrator_vocab::OrgId;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{raise_head, statement};

/// What other daemons have to know within a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A token, or a family of refresh tokens, was revoked.
    Revoked(OrgId, String),
    /// What a token may do is not what it was.
    Role(OrgId, String),
    /// The signing keys are not what they were.
    Keys,
}

const ROLE: &str = "role";
const KEYS: &str = "keys";

/// Numbers and stores a change; revocations have a table of their own.
pub(crate) async fn insert_change<C: ConnectionTrait>(
    connection: &C,
    change: &Change,
    at: orchestrator_vocab::Timestamp,
) -> Result<(), DbErr> {
    let (kind, org, name) = match change {
        Change::Revoked(..) => return Ok(()),
        Change::Role(org, token) => (ROLE, *org, token.as_str()),
        Change::Keys => (KEYS, OrgId::LOCAL, ""),
    };
    let seq = raise_head(connection).await?;
    let sql = "insert into auth_changes (seq, kind, org, name, created_at) values ($1, $2, $3, $4, $5)";
    let values = [seq.into(), kind.into(), org.uuid().into(), name.into(), at.millis().into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// In the order they were made.
pub(crate) async fn changes_after<C: ConnectionTrait>(
    connection: &C,
    seq: i64,
    limit: u32,
) -> Result<Vec<(i64, Change)>, DbErr> {
    let sql = "select seq, 'revoked' as kind, org, token as name from auth_revocations where seq > $1 \
               union all select seq, kind, org, name from auth_changes where seq > $1 order by seq limit $2";
    let rows = connection.query_all_raw(statement(connection, sql, [seq.into(), i64::from(limit).into()])).await?;
    rows.iter().map(change).collect()
}

fn change(row: &QueryResult) -> Result<(i64, Change), DbErr> {
    let (kind, name): (String, String) = (row.try_get("", "kind")?, row.try_get("", "name")?);
    let org = OrgId::from_uuid(row.try_get("", "org")?);
    let change = match kind.as_str() {
        KEYS => Change::Keys,
        ROLE => Change::Role(org, name),
        _ => Change::Revoked(org, name),
    };
    Ok((row.try_get("", "seq")?, change))
}

/// Forgets changes that every daemon has seen long ago.
pub(crate) async fn forget_changes<C: ConnectionTrait>(
    connection: &C,
    before: orchestrator_vocab::Timestamp,
) -> Result<(), DbErr> {
    let sql = "delete from auth_changes where created_at < $1";
    connection.execute_raw(statement(connection, sql, [before.millis().into()])).await.map(drop)
}
