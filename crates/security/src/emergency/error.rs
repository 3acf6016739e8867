/// Why an order was not given, or not taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Correct the field.
    #[error("{field}: {problem}")]
    Invalid {
        /// As the wire spells it.
        field: &'static str,
        /// What was expected.
        problem: String,
    },
    /// Nothing is to be done: no order of this organisation is in force.
    #[error("no emergency stop of this organisation is in force")]
    NotStopped,
    /// The order is in force in this process and is not written down yet: that is tried again and again. Other daemons do not
    /// know of it; stop them as well.
    #[error("everything is stopped here, but it cannot be written down and other daemons do not know of it")]
    NotKept(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Retry later. What was in force stays in force.
    #[error("the store of emergency stops failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether the same may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_) | Self::NotKept(_))
    }
}
