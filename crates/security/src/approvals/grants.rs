use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, AgentId, OrgId};
use sea_orm::{ConnectionTrait, Value};
use serde_json::json;

use super::{Approvals, rows};
use crate::{ApprovalError, Grant, GrantId};

impl Approvals {
    /// What confirms this call for good, if anything does.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn granted(
        &self,
        org: OrgId,
        agent: &AgentId,
        tool: &str,
        digest: Digest,
    ) -> Result<Option<Grant>, ApprovalError> {
        let sql = "select body from security_grants where org = $1 and agent = $2 and tool = $3 and digest = $4";
        let values = vec![org.uuid().into(), agent.to_string().into(), tool.into(), digest.to_string().into()];
        rows::one(self.0.database.reader(), sql, values).await
    }

    /// What was granted, the newest first, those before `before`.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn grants(&self, org: OrgId, before: Option<GrantId>, limit: usize) -> Result<Vec<Grant>, ApprovalError> {
        let (condition, mut values): (&str, Vec<Value>) = match before {
            Some(before) => (" and id < $2", vec![org.uuid().into(), before.uuid().into()]),
            None => ("", vec![org.uuid().into()]),
        };
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let place = values.len();
        let sql = format!("select body from security_grants where org = $1{condition} order by id desc limit ${place}");
        rows::all(self.0.database.reader(), &sql, values).await
    }

    /// From now on such calls have to be confirmed again. Tells `grant.revoked`.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`], [`ApprovalError::Store`].
    pub async fn revoke(&self, org: OrgId, id: GrantId, by: &Actor) -> Result<Grant, ApprovalError> {
        let (now, by) = (self.0.clock.now(), by.clone());
        self.0
            .database
            .write(move |tx| {
                let by = by.clone();
                Box::pin(async move {
                    let values = || vec![org.uuid().into(), id.uuid().into()];
                    let sql = "select body from security_grants where org = $1 and id = $2";
                    let grant: Option<Grant> = rows::one(tx, sql, values()).await?;
                    let grant = grant.ok_or_else(|| ApprovalError::NotFound(id.to_string()))?;
                    rows::change(tx, "delete from security_grants where org = $1 and id = $2", values()).await?;
                    let mut payload = json!(grant);
                    payload["grantId"] = json!(id);
                    SqlLog::append(tx, [NewEvent::new(org, "grant.revoked", now, by, payload)]);
                    Ok(grant)
                })
            })
            .await
    }
}

/// The same call is granted once.
pub(super) async fn insert<C: ConnectionTrait>(connection: &C, grant: &Grant) -> Result<(), ApprovalError> {
    let sql = "insert into security_grants (org, id, agent, tool, digest, body) values ($1, $2, $3, $4, $5, $6) \
               on conflict (org, agent, tool, digest) do nothing";
    let values = vec![
        grant.org_id.uuid().into(),
        grant.id.uuid().into(),
        grant.agent_id.to_string().into(),
        grant.tool.as_str().into(),
        grant.digest.to_string().into(),
        rows::written(grant).into(),
    ];
    rows::change(connection, sql, values).await.map(drop)
}
