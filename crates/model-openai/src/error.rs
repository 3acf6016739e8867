use orchestrator_models::ProviderError;

/// A provider cannot be made as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the named key.
    #[error("{key}: {reason}")]
    Invalid {
        /// The key, as in the configuration.
        key: &'static str,
        /// What is wrong with its value, which is not repeated.
        reason: &'static str,
    },
    /// The HTTP client cannot be set up; there is something wrong with the machine.
    #[error("the provider cannot be reached from here")]
    Client(#[source] Box<ProviderError>),
}
