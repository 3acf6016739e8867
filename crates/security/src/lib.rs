#![doc = include_str!("../README.md")]

mod approval;
mod approval_error;
#[cfg(feature = "sql")]
mod approvals;
mod audit;
pub mod emergency;
mod gate;
#[cfg(feature = "sql")]
mod migrations;
#[cfg(feature = "rpc")]
mod operations;

pub use approval::{
    Answer, Approval, ApprovalId, ApprovalKind, ApprovalState, ApprovalStatus, Grant, GrantId, GrantKind, Requesters,
    shown,
};
pub use approval_error::ApprovalError;
#[cfg(feature = "sql")]
pub use approvals::{ApprovalQuery, Approvals, ApprovalsConfig, ApprovalsParts, Asked, Ruling, Wanted, Which, Word};
pub use audit::{
    Audit, Begun, Checkpoint, Config, Count, Decision, Entry, Error, Fault, FaultKind, Filter, Head, InvalidConfig,
    Parts, Record, Signer, Summary, Verified, verify,
};
pub use emergency::Emergency;
#[cfg(feature = "sql")]
pub use gate::{Ask, Clearance, Gate, GateParts, Place, Refusal};
pub use gate::{Decided, Escalation, Opinion, Stance, decide};
#[cfg(all(feature = "rpc", feature = "sql"))]
pub use operations::approval_operations;
#[cfg(feature = "rpc")]
pub use operations::operations;
