use orchestrator_models::ProviderError;

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Correct the configuration.
    #[error("{key} {problem}")]
    Invalid {
        /// The key that is wrong.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up on this machine.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] ProviderError),
}

impl Error {
    pub(crate) fn invalid(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { key, problem: problem.into() }
    }
}
