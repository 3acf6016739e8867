//! What was shown to people, and what they said, is forgotten where nobody waits for it any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_redact::{Forget, Forgotten, Shape};
use orchestrator_vocab::{OrgId, SessionId};

use super::{Approvals, rows};
use crate::{Approval, ApprovalError, ApprovalId, ApprovalQuery, ApprovalStatus, Grant};

/// How many are looked at, and written in one transaction.
const PAGE: usize = 200;
const APPROVAL: Shape = Shape {
    kept: &["status", "agentId", "tool", "requestId", "key", "digest", "integrity", "confidentiality"],
    free: &[],
};

impl Approvals {
    /// Where texts are: what [`Database::scrub`](orchestrator_sql::Database::scrub) is to see to after something was forgotten.
    pub const TABLES: [&str; 2] = ["security_approvals", "security_grants"];

    /// Forgets texts of approvals, of one session or of all: arguments, notes, rules and who asked and answered. Of those that
    /// are waiting, or confirmed and not used yet, they are counted as held. A grant goes on to hold for the call it names by its
    /// digest, and does not show it any more.
    ///
    /// # Errors
    /// [`ApprovalError::Store`]: some may be gone already.
    pub async fn forget(
        &self,
        org: OrgId,
        only: Option<SessionId>,
        forget: &Forget,
    ) -> Result<Forgotten, ApprovalError> {
        let (mut forgotten, mut before, mut ids) = (Forgotten::default(), None, BTreeSet::new());
        loop {
            let query = ApprovalQuery { status: None, session: only, before, limit: PAGE };
            let page = self.list(org, &query).await?;
            before = page.last().map(|approval| approval.id);
            if before.is_none() {
                break;
            }
            if only.is_some() {
                ids.extend(page.iter().map(|approval| approval.id));
            }
            forgotten += self.forget_page(page, forget).await?;
        }
        forgotten += self.forget_grants(org, only.map(|_| ids), forget).await?;
        Ok(forgotten)
    }

    async fn forget_page(&self, page: Vec<Approval>, forget: &Forget) -> Result<Forgotten, ApprovalError> {
        let (mut forgotten, mut changed) = (Forgotten::default(), Vec::new());
        for approval in page {
            if matches!(approval.state.status(), ApprovalStatus::Pending | ApprovalStatus::Approved) {
                forgotten.held += forget.count(&approval, &APPROVAL);
            } else if let Some((left, texts)) = forget.rewrite(&approval, &APPROVAL) {
                forgotten.erased += texts;
                changed.push(left);
            }
        }
        if forget.changes() && !changed.is_empty() {
            let changed = Arc::new(changed);
            let written = self.0.database.write(move |tx| {
                let changed = changed.clone();
                Box::pin(async move {
                    for approval in &*changed {
                        rows::update(tx, approval, approval.state.status()).await?;
                    }
                    Ok::<(), ApprovalError>(())
                })
            });
            written.await?;
        }
        Ok(forgotten)
    }

    async fn forget_grants(
        &self,
        org: OrgId,
        only: Option<BTreeSet<ApprovalId>>,
        forget: &Forget,
    ) -> Result<Forgotten, ApprovalError> {
        let (mut forgotten, mut before) = (Forgotten::default(), None);
        loop {
            let page = self.grants(org, before, PAGE).await?;
            before = page.last().map(|grant| grant.id);
            if before.is_none() {
                return Ok(forgotten);
            }
            let is_meant = |grant: &&Grant| only.as_ref().is_none_or(|ids| ids.contains(&grant.approval_id));
            let left = page.iter().filter(is_meant).filter_map(|grant| forget.rewrite(grant, &APPROVAL));
            let (changed, texts): (Vec<Grant>, Vec<u64>) = left.unzip();
            forgotten.erased += texts.iter().sum::<u64>();
            if forget.changes() && !changed.is_empty() {
                self.write_grants(changed).await?;
            }
        }
    }

    async fn write_grants(&self, changed: Vec<Grant>) -> Result<(), ApprovalError> {
        let changed = Arc::new(changed);
        let written = self.0.database.write(move |tx| {
            let changed = changed.clone();
            Box::pin(async move {
                for grant in &*changed {
                    let sql = "update security_grants set body = $1 where org = $2 and id = $3";
                    let values = vec![rows::written(grant).into(), grant.org_id.uuid().into(), grant.id.uuid().into()];
                    rows::change(tx, sql, values).await?;
                }
                Ok::<(), ApprovalError>(())
            })
        });
        written.await
    }
}
