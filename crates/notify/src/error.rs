/// Why nothing was taken to be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Correct the configuration: the key is named as it is spelled there.
    #[error("{key}: {problem}")]
    Config {
        /// Such as `destinations.ops.url`.
        key: String,
        /// What would be right.
        problem: String,
    },
    /// Name one that is configured.
    #[error("there is no destination {0}")]
    Unknown(String),
    /// Send later, or drop the message: so many wait already.
    #[error("{waiting} messages wait for {destination} already")]
    Full {
        /// Which.
        destination: String,
        /// How many wait for it.
        waiting: usize,
    },
}

impl Error {
    pub(crate) fn config(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Config { key: key.into(), problem: problem.into() }
    }

    /// Whether the same may be taken later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}
