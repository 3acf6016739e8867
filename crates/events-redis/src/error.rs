type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Redis cannot be used as it is configured, or not at this moment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the address.
    #[error("url: not an address of Redis: expected redis://… or rediss://…")]
    Address(#[source] Cause),
    /// Fix the named key.
    #[error("{0}")]
    Config(&'static str),
    /// Wait: it is tried again.
    #[error("Redis failed")]
    Redis(#[source] Cause),
    /// Wait: it is tried again. Redis may be stopped, or very busy.
    #[error("Redis did not answer in time")]
    Silent,
    /// Wait: the log itself could not be asked.
    #[error("the event log failed")]
    Log(#[from] orchestrator_events::Error),
}

impl Error {
    pub(crate) fn address(error: redis::RedisError) -> Self {
        Self::Address(Box::new(error))
    }
}

impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        if error.is_timeout() { Self::Silent } else { Self::Redis(Box::new(error)) }
    }
}
