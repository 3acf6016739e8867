use orchestrator_events::NewEvent;
use orchestrator_vocab::{Actor, OrgId, SessionId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::ApprovalQuery;
use crate::{Approval, ApprovalError, ApprovalId, ApprovalStatus};

pub(super) fn statement<C: ConnectionTrait>(connection: &C, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

/// One thing that is kept as `body`.
pub(super) async fn one<C: ConnectionTrait, T: DeserializeOwned>(
    connection: &C,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<T>, ApprovalError> {
    let row = connection.query_one_raw(statement(connection, sql, values)).await?;
    row.as_ref().map(body).transpose()
}

/// All that are kept as `body`.
pub(super) async fn all<C: ConnectionTrait, T: DeserializeOwned>(
    connection: &C,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<T>, ApprovalError> {
    let rows = connection.query_all_raw(statement(connection, sql, values)).await?;
    rows.iter().map(body).collect()
}

fn body<T: DeserializeOwned>(row: &QueryResult) -> Result<T, ApprovalError> {
    let body: String = row.try_get("", "body")?;
    serde_json::from_str(&body).map_err(|error| ApprovalError::Store(Box::new(error)))
}

/// How many rows were changed.
pub(super) async fn change<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: Vec<Value>,
) -> Result<u64, ApprovalError> {
    Ok(connection.execute_raw(statement(connection, sql, values)).await?.rows_affected())
}

pub(super) async fn get<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    id: ApprovalId,
) -> Result<Option<Approval>, ApprovalError> {
    let sql = "select body from security_approvals where org = $1 and id = $2";
    one(connection, sql, vec![org.uuid().into(), id.uuid().into()]).await
}

/// The last call of that name in a session.
pub(super) async fn of_call<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    session: SessionId,
    request: &str,
) -> Result<Option<Approval>, ApprovalError> {
    let sql = "select body from security_approvals where org = $1 and session = $2 and request = $3 \
               order by id desc limit 1";
    one(connection, sql, vec![org.uuid().into(), session.uuid().into(), request.into()]).await
}

/// What is known of the same place in the same session.
pub(super) async fn at<C: ConnectionTrait>(
    connection: &C,
    approval: &Approval,
) -> Result<Option<Approval>, ApprovalError> {
    let sql = "select body from security_approvals where org = $1 and session = $2 and place = $3";
    let Approval { org_id, session_id, key, .. } = approval;
    one(connection, sql, vec![org_id.uuid().into(), session_id.uuid().into(), key.as_str().into()]).await
}

pub(super) async fn list<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    query: &ApprovalQuery,
) -> Result<Vec<Approval>, ApprovalError> {
    let mut sql = "select body from security_approvals where org = $1".to_owned();
    let mut values: Vec<Value> = vec![org.uuid().into()];
    let mut and = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" and {condition} ${}", values.len()));
    };
    if let Some(status) = query.status {
        and("status =", status.as_str().into());
    }
    if let Some(session) = query.session {
        and("session =", session.uuid().into());
    }
    if let Some(before) = query.before {
        and("id <", before.uuid().into());
    }
    values.push(i64::try_from(query.limit).unwrap_or(i64::MAX).into());
    sql.push_str(&format!(" order by id desc limit ${}", values.len()));
    all(connection, &sql, values).await
}

pub(super) async fn waiting<C: ConnectionTrait>(connection: &C, org: OrgId) -> Result<u64, ApprovalError> {
    let sql = "select count(*) as waiting from security_approvals where status = $1 and org = $2";
    count(connection, sql, vec![ApprovalStatus::Pending.as_str().into(), org.uuid().into()]).await
}

pub(super) async fn waiting_of_all<C: ConnectionTrait>(connection: &C) -> Result<u64, ApprovalError> {
    let sql = "select count(*) as waiting from security_approvals where status = $1";
    count(connection, sql, vec![ApprovalStatus::Pending.as_str().into()]).await
}

async fn count<C: ConnectionTrait>(connection: &C, sql: &str, values: Vec<Value>) -> Result<u64, ApprovalError> {
    let row = connection.query_one_raw(statement(connection, sql, values)).await?;
    let waiting: i64 = row.map(|row| row.try_get("", "waiting")).transpose()?.unwrap_or_default();
    Ok(waiting.unsigned_abs())
}

pub(super) async fn insert<C: ConnectionTrait>(connection: &C, approval: &Approval) -> Result<(), ApprovalError> {
    let sql = "insert into security_approvals (org, id, session, place, request, status, expires_at, told, body) \
               values ($1, $2, $3, $4, $5, $6, $7, 0, $8)";
    let values = vec![
        approval.org_id.uuid().into(),
        approval.id.uuid().into(),
        approval.session_id.uuid().into(),
        approval.key.as_str().into(),
        approval.request_id.as_str().into(),
        approval.state.status().as_str().into(),
        approval.expires_at.millis().into(),
        written(approval).into(),
    ];
    change(connection, sql, values).await.map(drop)
}

/// Writes what became of it, if it was as expected until now.
pub(super) async fn update<C: ConnectionTrait>(
    connection: &C,
    approval: &Approval,
    from: ApprovalStatus,
) -> Result<bool, ApprovalError> {
    let sql = "update security_approvals set status = $1, body = $2 where org = $3 and id = $4 and status = $5";
    let values = vec![
        approval.state.status().as_str().into(),
        written(approval).into(),
        approval.org_id.uuid().into(),
        approval.id.uuid().into(),
        from.as_str().into(),
    ];
    Ok(change(connection, sql, values).await? > 0)
}

pub(super) fn written(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it is plain data")
}

/// For whoever listens: everything about it but the arguments' secrets, which are not in it.
pub(super) fn event(name: &'static str, approval: &Approval, now: Timestamp) -> NewEvent {
    let actor = match approval.state.answer() {
        Some(answer) => answer.decided_by.clone(),
        None if approval.state.status() == ApprovalStatus::Pending => Actor::Agent(approval.agent_id.clone()),
        None => Actor::system("approvals"),
    };
    let mut payload = json!(approval);
    payload["approvalId"] = json!(approval.id);
    let mut event = NewEvent::new(approval.org_id, name, now, actor, payload);
    event.subject = Some(approval.session_id.to_string());
    event
}

impl From<orchestrator_sql::Error> for ApprovalError {
    fn from(error: orchestrator_sql::Error) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<DbErr> for ApprovalError {
    fn from(error: DbErr) -> Self {
        orchestrator_sql::Error::from(error).into()
    }
}
