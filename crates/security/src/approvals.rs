//! Calls that wait for a person, on SQLite or PostgreSQL.

mod config;
mod deciding;
mod forgetting;
mod grants;
mod migrations;
mod rows;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::SqlLog;
use orchestrator_sql::Database;
use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, AgentId, Clock, Label, OrgId, SessionId, TaskId, Timestamp};

use crate::{Approval, ApprovalError, ApprovalId, ApprovalState, ApprovalStatus};

pub use config::ApprovalsConfig;
pub(crate) use migrations::APPROVALS as MIGRATION;

pub use deciding::{Ruling, Which, Word};

/// A call that somebody has to confirm.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// In whose name.
    pub org: OrgId,
    /// The session that is to wait.
    pub session: SessionId,
    /// Its task.
    pub task: TaskId,
    /// Who wants to make the call.
    pub agent: AgentId,
    /// The call, as the session names it.
    pub request: String,
    /// The place of the call in the session: the same after an interruption.
    pub key: String,
    /// What is called.
    pub tool: String,
    /// Its arguments as people are shown them.
    pub arguments: String,
    /// Of the tool and its arguments.
    pub digest: Digest,
    /// Whose words led to it.
    pub label: Label,
    /// By which rules it has to be confirmed.
    pub rules: BTreeSet<String>,
    /// Whose word is needed; anybody's who may, if nobody is named.
    pub by: BTreeSet<String>,
    /// How long people are waited for, in milliseconds; as configured if nothing is said.
    pub timeout_ms: Option<u64>,
    /// Who wanted the task.
    pub requester: Option<Actor>,
}

/// Which approvals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalQuery {
    /// Only those in this state.
    pub status: Option<ApprovalStatus>,
    /// Only those of this session.
    pub session: Option<SessionId>,
    /// Only those before this one.
    pub before: Option<ApprovalId>,
    /// How many at most.
    pub limit: usize,
}

/// What approvals are made of.
#[derive(Clone)]
pub struct ApprovalsParts {
    /// Where they are kept. It must have been connected with the [`Numbering`](orchestrator_events::Numbering) of its event log.
    pub database: Database,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub config: ApprovalsConfig,
}

/// Calls that wait for a person, and what was answered. Cheap to clone; several processes may share a database.
#[derive(Clone)]
pub struct Approvals(Arc<ApprovalsParts>);

impl Approvals {
    /// Brings the tables up to date.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn open(parts: ApprovalsParts) -> Result<Self, ApprovalError> {
        orchestrator_sql::migrate(&parts.database, "security", crate::migrations::ALL).await?;
        Ok(Self(Arc::new(parts)))
    }

    /// Bounds.
    pub fn config(&self) -> &ApprovalsConfig {
        &self.0.config
    }

    /// Asks for a call to be confirmed. The same place in the same session is asked about once: what is known of it already is
    /// answered, whatever became of it. Tells `approval.requested` if it is new.
    ///
    /// # Errors
    /// [`ApprovalError::Full`], [`ApprovalError::Store`].
    pub async fn ask(&self, wanted: Wanted) -> Result<(Approval, Asked), ApprovalError> {
        let now = self.0.clock.now();
        let (approval, waiting_max) = (Arc::new(self.approval(wanted, now)), self.0.config.waiting_max);
        self.0
            .database
            .write(move |tx| {
                let approval = approval.clone();
                Box::pin(async move {
                    if let Some(known) = rows::at(tx, &approval).await? {
                        return Ok((known, Asked::Before));
                    }
                    if rows::waiting(tx, approval.org_id).await? >= waiting_max {
                        return Err(ApprovalError::Full { max: waiting_max });
                    }
                    rows::insert(tx, &approval).await?;
                    SqlLog::append(tx, [rows::event("approval.requested", &approval, now)]);
                    Ok((Approval::clone(&approval), Asked::Now))
                })
            })
            .await
    }

    fn approval(&self, wanted: Wanted, now: Timestamp) -> Approval {
        let timeout = Duration::from_millis(wanted.timeout_ms.unwrap_or(self.0.config.timeout_ms));
        Approval {
            id: ApprovalId::new(),
            org_id: wanted.org,
            session_id: wanted.session,
            task_id: wanted.task,
            agent_id: wanted.agent,
            request_id: wanted.request,
            key: wanted.key,
            tool: wanted.tool,
            arguments: wanted.arguments,
            digest: wanted.digest,
            label: wanted.label,
            rules: wanted.rules,
            by: wanted.by,
            requester: wanted.requester,
            requested_at: now,
            expires_at: now + timeout,
            state: ApprovalState::Pending {},
        }
    }

    /// One of them; another organisation's is unknown.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`], [`ApprovalError::Store`].
    pub async fn get(&self, org: OrgId, id: ApprovalId) -> Result<Approval, ApprovalError> {
        let found = rows::get(self.0.database.reader(), org, id).await?;
        found.ok_or_else(|| ApprovalError::NotFound(id.to_string()))
    }

    /// Those that a query asks for, the newest first.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn list(&self, org: OrgId, query: &ApprovalQuery) -> Result<Vec<Approval>, ApprovalError> {
        rows::list(self.0.database.reader(), org, query).await
    }

    /// How many wait, of all organisations.
    ///
    /// # Errors
    /// [`ApprovalError::Store`].
    pub async fn waiting(&self) -> Result<u64, ApprovalError> {
        rows::waiting_of_all(self.0.database.reader()).await
    }
}

/// Whether somebody is asked for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Yes.
    Now,
    /// No: it was asked for before.
    Before,
}

impl std::fmt::Debug for Approvals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Approvals").field("config", &self.0.config).finish_non_exhaustive()
    }
}
