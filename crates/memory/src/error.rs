use crate::{MemoryId, Tier};

/// Why something was not remembered, recalled or forgotten. What was refused has changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the named field and try again.
    #[error("{field}: {problem}")]
    Invalid {
        /// As it is called on the wire.
        field: String,
        /// What is wrong with it and what was expected.
        problem: String,
    },
    /// Fix the id. A memory of another organisation is not found either.
    #[error("no memory {0}")]
    NotFound(MemoryId),
    /// Read it again: it is not in a state that allows this.
    #[error("{id}: {problem}")]
    Conflict {
        /// Which memory.
        id: MemoryId,
        /// Why not.
        problem: String,
    },
    /// Erase something, or raise the limit in the configuration.
    #[error("the {tier} memory is full: {used} of {limit} bytes are used, {wanted} more were wanted")]
    Full {
        /// Which tier.
        tier: Tier,
        /// What is stored.
        used: u64,
        /// What may be.
        limit: u64,
        /// What was to be stored.
        wanted: u64,
    },
    /// Try again: whether it was done is not known.
    #[error("the memory cannot be reached")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), problem: problem.into() }
    }
}
