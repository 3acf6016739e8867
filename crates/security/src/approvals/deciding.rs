use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::SqlLog;
use orchestrator_sql::Tx;
use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, OrgId, SessionId, Timestamp};

use super::{Approvals, rows};
use crate::{
    Answer, Approval, ApprovalError, ApprovalId, ApprovalQuery, ApprovalState, ApprovalStatus, Grant, GrantId,
    Requesters,
};

/// What a person says to a call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It may be made, this once.
    Approve,
    /// It may be made, and so may every call like it: the same agent, tool and arguments.
    ApproveAlways,
    /// It may not.
    Deny,
}

/// Which approval is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By its own name.
    Id(ApprovalId),
    /// By the session and the name of the call in it; the last one of that name.
    Call(SessionId, String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What is said.
    pub word: Word,
    /// Who says it.
    pub by: Actor,
    /// In their words, up to 2,000 characters.
    pub note: Option<String>,
    /// What they were shown. If it is given it must be what waits.
    pub digest: Option<Digest>,
}

impl Approvals {
    /// Which one is meant.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`], [`ApprovalError::Store`].
    pub async fn find(&self, org: OrgId, which: &Which) -> Result<Approval, ApprovalError> {
        match which {
            Which::Id(id) => self.get(org, *id).await,
            Which::Call(session, request) => {
                let found = rows::of_call(self.0.database.reader(), org, *session, request).await?;
                found.ok_or_else(|| ApprovalError::NotFound(format!("{request} of {session}")))
            }
        }
    }

    /// Whether an answer would be taken now.
    ///
    /// # Errors
    /// As [`rule`](Self::rule).
    pub fn check(&self, approval: &Approval, ruling: &Ruling) -> Result<(), ApprovalError> {
        decided(approval.clone(), ruling, self.0.config.requesters(), self.0.clock.now()).map(drop)
    }

    /// Takes an answer. Tells `approval.decided`.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`]; [`ApprovalError::NotTheirs`]: somebody else has to say it; [`ApprovalError::Other`]: what they
    /// were shown is not what waits; [`ApprovalError::Over`]: it was answered or has expired; [`ApprovalError::Store`].
    pub async fn rule(&self, org: OrgId, id: ApprovalId, ruling: Ruling) -> Result<Approval, ApprovalError> {
        let now = self.0.clock.now();
        let (ruling, requesters) = (Arc::new(ruling), self.0.config.requesters());
        self.0
            .database
            .write(move |tx| {
                let ruling = ruling.clone();
                Box::pin(async move {
                    let approval = rows::get(tx, org, id).await?;
                    let approval = approval.ok_or_else(|| ApprovalError::NotFound(id.to_string()))?;
                    let (approval, grant) = decided(approval, &ruling, requesters, now)?;
                    if !rows::update(tx, &approval, ApprovalStatus::Pending).await? {
                        // Somebody else was faster.
                        let status = rows::get(tx, org, id).await?.map(|one| one.state.status());
                        return Err(match status {
                            Some(status) => ApprovalError::Over { id, status },
                            None => ApprovalError::NotFound(id.to_string()),
                        });
                    }
                    if let Some(grant) = grant {
                        super::grants::insert(tx, &grant).await?;
                    }
                    SqlLog::append(tx, [rows::event("approval.decided", &approval, now)]);
                    Ok(approval)
                })
            })
            .await
    }

    /// Uses up what was confirmed. Only one of those who try can.
    ///
    /// # Errors
    /// [`ApprovalError::Other`]: it was something else that was confirmed; [`ApprovalError::Over`]: it was used before, or was not
    /// confirmed; [`ApprovalError::Store`].
    pub async fn take(&self, approval: &Approval, digest: Digest) -> Result<Answer, ApprovalError> {
        let over = |status| ApprovalError::Over { id: approval.id, status };
        if approval.digest != digest {
            return Err(ApprovalError::Other(approval.id));
        }
        let ApprovalState::Approved(answer) = &approval.state else { return Err(over(approval.state.status())) };
        let used = Arc::new(Approval { state: ApprovalState::Used(answer.clone()), ..approval.clone() });
        let taken = self.0.database.write(move |tx| {
            let used = used.clone();
            Box::pin(async move { rows::update(tx, &used, ApprovalStatus::Approved).await })
        });
        match taken.await? {
            true => Ok(answer.clone()),
            false => Err(over(ApprovalStatus::Used)),
        }
    }

    /// Denies what nobody answered in time, `limit` at most. Tells `approval.decided` of each.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn expire(&self, limit: usize) -> Result<Vec<Approval>, ApprovalError> {
        let sql = "select body from security_approvals where status = $1 and expires_at <= $2 \
                   order by expires_at limit $3";
        let values = vec![
            ApprovalStatus::Pending.as_str().into(),
            self.0.clock.now().millis().into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ];
        let due = rows::all(self.0.database.reader(), sql, values).await?;
        self.close(due, ApprovalState::Expired {}).await
    }

    /// Takes back what a session asked for that has ended. Tells `approval.decided` of each.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn withdraw(&self, org: OrgId, session: SessionId) -> Result<Vec<Approval>, ApprovalError> {
        let query = ApprovalQuery {
            status: Some(ApprovalStatus::Pending),
            session: Some(session),
            limit: 1_000,
            ..ApprovalQuery::default()
        };
        let open = self.list(org, &query).await?;
        self.close(open, ApprovalState::Withdrawn {}).await
    }

    /// Those that nobody answered meanwhile.
    async fn close(&self, open: Vec<Approval>, state: ApprovalState) -> Result<Vec<Approval>, ApprovalError> {
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.0.clock.now();
        let closed: Vec<Approval> = open.into_iter().map(|one| Approval { state: state.clone(), ..one }).collect();
        let closed = Arc::new(closed);
        self.0
            .database
            .write(move |tx| {
                let closed = closed.clone();
                Box::pin(async move { close(tx, &closed, now).await })
            })
            .await
    }

    /// Those that are answered while their sessions have not been told, the oldest first.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn untold(&self, limit: usize) -> Result<Vec<Approval>, ApprovalError> {
        let sql = "select body from security_approvals where told = 0 and status <> $1 order by id limit $2";
        let values = vec![ApprovalStatus::Pending.as_str().into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
        rows::all(self.0.database.reader(), sql, values).await
    }

    /// Its session knows what was answered.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn told(&self, org: OrgId, id: ApprovalId) -> Result<(), ApprovalError> {
        self.0
            .database
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "update security_approvals set told = 1 where org = $1 and id = $2";
                    rows::change(tx, sql, vec![org.uuid().into(), id.uuid().into()]).await.map(drop)
                })
            })
            .await
    }

    /// Forgets answered ones that are older than `retentionDays`, `limit` at most.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn trim(&self, limit: usize) -> Result<u64, ApprovalError> {
        let kept = Duration::from_secs(u64::from(self.0.config.retention_days) * 24 * 60 * 60);
        let before = self.0.clock.now().millis().saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        self.0
            .database
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "delete from security_approvals where (org, id) in (select org, id from \
                               security_approvals where status <> $1 and told = 1 and expires_at < $2 limit $3)";
                    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                    let values = vec![ApprovalStatus::Pending.as_str().into(), before.into(), limit.into()];
                    rows::change(tx, sql, values).await
                })
            })
            .await
    }
}

/// What an answer makes of an approval, and what is granted besides.
fn decided(
    approval: Approval,
    ruling: &Ruling,
    requesters: Requesters,
    now: Timestamp,
) -> Result<(Approval, Option<Grant>), ApprovalError> {
    let id = approval.id;
    let may = match ruling.word {
        Word::Deny => approval.may_be_answered_by(&ruling.by),
        Word::Approve | Word::ApproveAlways => approval.may_be_approved_by(&ruling.by, requesters),
    };
    may.map_err(|reason| ApprovalError::NotTheirs { id, reason })?;
    if ruling.digest.is_some_and(|digest| digest != approval.digest) {
        return Err(ApprovalError::Other(id));
    }
    if approval.state.status() != ApprovalStatus::Pending {
        return Err(ApprovalError::Over { id, status: approval.state.status() });
    }
    if approval.expires_at <= now {
        return Err(ApprovalError::Over { id, status: ApprovalStatus::Expired });
    }
    let answer = Answer { decided_by: ruling.by.clone(), decided_at: now, note: ruling.note.clone() };
    let grant = (ruling.word == Word::ApproveAlways).then(|| Grant {
        id: GrantId::new(),
        org_id: approval.org_id,
        agent_id: approval.agent_id.clone(),
        tool: approval.tool.clone(),
        arguments: approval.arguments.clone(),
        digest: approval.digest,
        approval_id: id,
        granted_by: ruling.by.clone(),
        granted_at: now,
    });
    let state = match ruling.word {
        Word::Deny => ApprovalState::Denied(answer),
        Word::Approve | Word::ApproveAlways => ApprovalState::Approved(answer),
    };
    Ok((Approval { state, ..approval }, grant))
}

async fn close(tx: &Tx, closed: &[Approval], now: Timestamp) -> Result<Vec<Approval>, ApprovalError> {
    let mut done = Vec::new();
    for approval in closed {
        if rows::update(tx, approval, ApprovalStatus::Pending).await? {
            SqlLog::append(tx, [rows::event("approval.decided", approval, now)]);
            done.push(approval.clone());
        }
    }
    Ok(done)
}
