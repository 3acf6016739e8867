use crate::{ApprovalId, ApprovalStatus};

/// Why an approval was not asked for, answered or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// Fix the id; another organisation's is unknown too.
    #[error("no {0}")]
    NotFound(String),
    /// Let somebody else answer.
    #[error("{id}: {reason}")]
    NotTheirs {
        /// Which.
        id: ApprovalId,
        /// Why not.
        reason: String,
    },
    /// Look at it again: what was shown is not what waits, or not what is to be done.
    #[error("{0} is about another call than this")]
    Other(ApprovalId),
    /// Read it again: it was answered or used, or has expired.
    #[error("{id} is {} already", status.as_str())]
    Over {
        /// Which.
        id: ApprovalId,
        /// How far it is.
        status: ApprovalStatus,
    },
    /// Answer some first, or raise `waitingMax`.
    #[error("{max} calls wait to be confirmed already")]
    Full {
        /// The bound.
        max: u64,
    },
    /// Retry later.
    #[error("approvals cannot be kept now")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}
