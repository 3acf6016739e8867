use orchestrator_vocab::{AgentId, OrgId, Timestamp};
use sea_orm::{ConnectionTrait, Statement, Value};

use super::rows;
use super::statement::{signed, statement};
use crate::{
    Answered, Counter, CounterKey, CounterQuery, Error, Group, Limit, Owner, Reservation, ScopeKind, Spending,
    SpendingQuery, Sum,
};

/// What is added up of spendings.
const SUMS: &str = "count(*) as requests, cast(sum(estimated) as bigint) as estimated, cast(sum(input) as bigint) as input, \
     cast(sum(cache_read) as bigint) as cache_read, cast(sum(cache_write_5m) as bigint) as cache_write_5m, \
     cast(sum(cache_write_1h) as bigint) as cache_write_1h, cast(sum(output) as bigint) as output, \
     cast(sum(reasoning) as bigint) as reasoning, cast(sum(tokens) as bigint) as tokens, cast(sum(nano_usd) as bigint) as nano_usd";

pub(super) async fn limits<C: ConnectionTrait>(connection: &C, org: OrgId) -> Result<Vec<Limit>, Error> {
    let sql = "select body from budget_limits where org = $1 order by scope, span";
    let rows = connection.query_all_raw(statement(connection, sql, [org.uuid().into()])).await?;
    let limit = |row: &sea_orm::QueryResult| -> Result<Limit, Error> {
        let body: String = row.try_get("", "body")?;
        serde_json::from_str(&body).map_err(Error::store)
    };
    rows.iter().map(limit).collect()
}

pub(super) async fn counters<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    query: &CounterQuery,
) -> Result<Vec<(CounterKey, Counter)>, Error> {
    let by_name = if query.name.is_some() { "and name = $6" } else { "and $6 = ''" };
    let columns = rows::COUNTED.join(", ");
    let sql = format!(
        "select kind, name, span, start, {columns} from budget_counters where org = $1 and kind = $2 and span = $3 and start = $4 {by_name} \
         order by spent_tokens desc, name limit $5"
    );
    let values = [
        org.uuid().into(),
        query.kind.as_str().into(),
        query.span.as_str().into(),
        query.start.millis().into(),
        signed(query.limit as u64).into(),
        query.name.as_deref().unwrap_or_default().into(),
    ];
    connection.query_all_raw(statement(connection, &sql, values)).await?.iter().map(rows::counter).collect()
}

pub(super) async fn left_behind<C: ConnectionTrait>(
    connection: &C,
    owner: &Owner,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Reservation>, Error> {
    let sql = "select body, expires_at from budget_reservations where node = $1 and epoch < $2 \
               union all select body, expires_at from budget_reservations \
               where expires_at < $3 and not (node = $1 and epoch < $2) limit $4";
    let values =
        [owner.node.as_str().into(), signed(owner.epoch).into(), now.millis().into(), signed(limit as u64).into()];
    connection.query_all_raw(statement(connection, sql, values)).await?.iter().map(rows::reservation).collect()
}

pub(super) async fn spendings<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    query: &SpendingQuery,
) -> Result<Vec<Spending>, Error> {
    let mut sql = "select * from budget_spendings where org = $1".to_owned();
    let mut values: Vec<Value> = vec![org.uuid().into()];
    let filters = [
        ("id <", query.before.map(rows::id)),
        ("agent =", query.agent.as_ref().map(ToString::to_string)),
        ("session =", query.session.map(|id| id.to_string())),
        ("task =", query.task.map(|id| id.to_string())),
        ("model =", query.model.clone()),
    ];
    for (filter, value) in filters {
        if let Some(value) = value {
            values.push(value.into());
            sql.push_str(&format!(" and {filter} ${}", values.len()));
        }
    }
    values.push(signed(query.limit as u64).into());
    sql.push_str(&format!(" order by id desc limit ${}", values.len()));
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    connection.query_all_raw(statement).await?.iter().map(rows::spending).collect()
}

pub(super) async fn sums<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    group: Group,
    (from, until): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<Sum>, Error> {
    let (name, provider) = match group {
        Group::Quarter => ("cast(at / 900000 * 900000 as text)", "''"),
        Group::Scope(ScopeKind::Organisation) => ("''", "''"),
        Group::Scope(ScopeKind::Team) => ("team", "''"),
        Group::Scope(ScopeKind::Agent) => ("agent", "''"),
        Group::Scope(ScopeKind::Session) => ("session", "''"),
        Group::Scope(ScopeKind::Task) => ("task", "''"),
        Group::Scope(ScopeKind::Model) => ("model", "provider"),
        Group::Scope(ScopeKind::Provider) => ("provider", "''"),
    };
    let sql = format!(
        "select {name} as name, {provider} as of_provider, {SUMS} from budget_spendings \
         where org = $1 and at >= $2 and at < $3 group by 1, 2 order by tokens desc, name limit $4"
    );
    let values = [org.uuid().into(), from.millis().into(), until.millis().into(), signed(limit as u64).into()];
    let sum = |row: &sea_orm::QueryResult| {
        Ok(Sum {
            name: row.try_get("", "name")?,
            provider: row.try_get("", "of_provider")?,
            requests: rows::number(row, "requests")?,
            estimated: rows::number(row, "estimated")?,
            usage: rows::usage(row)?,
            amount: rows::amount(row, "tokens", "nano_usd")?,
        })
    };
    connection.query_all_raw(statement(connection, &sql, values)).await?.iter().map(sum).collect()
}

pub(super) async fn answered<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    model: &str,
    agent: Option<&AgentId>,
    limit: usize,
) -> Result<Vec<Answered>, Error> {
    let sql = "select input_expected, input + cache_read + cache_write_5m + cache_write_1h as read, output \
               from budget_spendings where org = $1 and model = $2 and agent = $3 and estimated = 0 and ended = 'completed' \
               order by id desc limit $4";
    let agent = agent.map_or("", AgentId::as_str);
    let values = [org.uuid().into(), model.into(), agent.into(), signed(limit as u64).into()];
    let answer = |row: &sea_orm::QueryResult| {
        Ok(Answered {
            input_expected: rows::number(row, "input_expected")?,
            input: rows::number(row, "read")?,
            output: rows::number(row, "output")?,
        })
    };
    connection.query_all_raw(statement(connection, sql, values)).await?.iter().map(answer).collect()
}

pub(super) async fn orgs<C: ConnectionTrait>(connection: &C) -> Result<Vec<OrgId>, Error> {
    let sql = "select distinct org from budget_counters";
    let rows = connection.query_all_raw(statement(connection, sql, [])).await?;
    let org = |row: &sea_orm::QueryResult| Ok(OrgId::from_uuid(row.try_get("", "org")?));
    rows.iter().map(org).collect()
}
