use orchestrator_vocab::AgentId;

/// What the registry refuses, or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Register it first; another organisation's agent is unknown too.
    #[error("no agent `{0}`")]
    NotFound(AgentId),
    /// Correct its file.
    #[error("the file of agent `{agent}` is wrong: {problem}")]
    Broken {
        /// Whose file it is.
        agent: AgentId,
        /// Where, and what.
        problem: String,
    },
    /// Configure it, or leave `program` out to register a worker.
    #[error("no program `{0}` is configured")]
    NoProgram(AgentId),
    /// Correct the field.
    #[error("{field}: {problem}")]
    Invalid {
        /// As the configuration and the wire spell it.
        field: &'static str,
        /// What was expected.
        problem: String,
    },
    /// Unregister workers that are gone, or raise `workersMax`.
    #[error("this organisation has {max} workers already")]
    TooMany {
        /// The bound.
        max: usize,
    },
    /// Retry later, or page an operator.
    #[error("the registry's database failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_))
    }

    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }
}
