//! What the socket offers of this domain.

#[cfg(feature = "sql")]
mod approvals;
mod audit;

#[cfg(feature = "sql")]
pub use approvals::approval_operations;
pub use audit::operations;
