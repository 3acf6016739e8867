/// A log could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Retry later, or page an operator.
    #[error("the event log failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Fix the pattern.
    #[error(transparent)]
    Filter(#[from] crate::InvalidFilter),
    /// A stored event cannot be understood: the log was written by something else, or is damaged.
    #[error("event {seq} in the log is not readable: {what}")]
    Damaged {
        /// Its number in its organisation.
        seq: u64,
        /// What is wrong with it.
        what: String,
    },
}

#[cfg(feature = "sql")]
impl From<orchestrator_sql::Error> for Error {
    fn from(error: orchestrator_sql::Error) -> Self {
        Self::Store(Box::new(error))
    }
}
