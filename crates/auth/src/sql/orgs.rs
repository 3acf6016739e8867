use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::statement;
use crate::Organisation;

/// An organisation to be created.
pub(crate) struct OrgRow {
    pub(crate) org: Organisation,
    pub(crate) creation_key: Option<String>,
}

pub(crate) async fn org_exists<C: ConnectionTrait>(connection: &C, id: OrgId) -> Result<bool, DbErr> {
    let select = statement(connection, "select 1 from auth_orgs where id = $1", [id.uuid().into()]);
    connection.query_one_raw(select).await.map(|row| row.is_some())
}

pub(crate) async fn org_name_is_taken<C: ConnectionTrait>(connection: &C, name: &str) -> Result<bool, DbErr> {
    let select = statement(connection, "select 1 from auth_orgs where name = $1", [name.into()]);
    connection.query_one_raw(select).await.map(|row| row.is_some())
}

pub(crate) async fn org_by_key<C: ConnectionTrait>(connection: &C, key: &str) -> Result<Option<Organisation>, DbErr> {
    let sql = "select id, name, created_at from auth_orgs where creation_key = $1";
    connection.query_one_raw(statement(connection, sql, [key.into()])).await?.as_ref().map(org).transpose()
}

pub(crate) async fn insert_org<C: ConnectionTrait>(connection: &C, row: &OrgRow) -> Result<(), DbErr> {
    let sql = "insert into auth_orgs (id, name, created_at, creation_key) values ($1, $2, $3, $4)";
    let values = [
        row.org.id.uuid().into(),
        row.org.name.as_str().into(),
        row.org.created_at.millis().into(),
        row.creation_key.clone().into(),
    ];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// In the order of their ids; `only` restricts to one.
pub(crate) async fn orgs_after<C: ConnectionTrait>(
    connection: &C,
    only: Option<OrgId>,
    after: Option<OrgId>,
    limit: u32,
) -> Result<Vec<Organisation>, DbErr> {
    let columns = "select id, name, created_at from auth_orgs where";
    let limit = i64::from(limit).into();
    let select = match (only, after) {
        (Some(only), _) => {
            statement(connection, &format!("{columns} id = $1 order by id limit $2"), [only.uuid().into(), limit])
        }
        (None, Some(after)) => {
            statement(connection, &format!("{columns} id > $1 order by id limit $2"), [after.uuid().into(), limit])
        }
        (None, None) => statement(connection, &format!("{columns} 1 = 1 order by id limit $1"), [limit]),
    };
    connection.query_all_raw(select).await?.iter().map(org).collect()
}

fn org(row: &QueryResult) -> Result<Organisation, DbErr> {
    Ok(Organisation {
        id: OrgId::from_uuid(row.try_get("", "id")?),
        name: row.try_get("", "name")?,
        created_at: Timestamp(row.try_get("", "created_at")?),
    })
}
