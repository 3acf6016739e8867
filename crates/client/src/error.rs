use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_rpc::Code;

/// What a call or a connection can fail with. Cheap to clone: one lost connection fails many calls.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the configuration.
    #[error("{0}")]
    InvalidConfig(String),
    /// Use `https://` or `wss://`, or set [`Config::allow_insecure`](crate::Config::allow_insecure) if the network itself
    /// is trusted.
    #[error("a token is not sent to {host} unencrypted")]
    Insecure {
        /// The host of the address.
        host: String,
    },
    /// The file of [`Config::ca_file`](crate::Config::ca_file) cannot be used.
    #[error("cannot use the certificates of {}: {message}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Nobody answers there, or not as a daemon does. Retry later, or check the address.
    #[error("cannot reach {address}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the network said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The daemon does not accept the credential (any more). Get another one.
    #[error("{0}")]
    Unauthorized(String),
    /// The daemon answered with an error; act on its [`Code`].
    #[error(transparent)]
    Refused(orchestrator_rpc::Error),
    /// The connection was lost before the answer came: the call may or may not have had its effect. Look, then repeat.
    #[error("the connection was lost before the answer came")]
    Disconnected,
    /// No answer came in this time: the call may or may not have had its effect.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The parameters cannot be written as JSON.
    #[error("the parameters are not JSON")]
    Parameters(#[source] Arc<serde_json::Error>),
    /// The answer is not what the caller's type expects: the two sides are of different versions.
    #[error("the answer to `{method}` is not what was expected")]
    Unexpected {
        /// What was called.
        method: String,
        /// What does not fit.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

impl Error {
    /// Whether the same call may succeed later. After [`Error::Disconnected`] and [`Error::Timeout`] repeat only what
    /// changes nothing or carries an idempotency key.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Disconnected | Self::Timeout(_) => true,
            Self::Refused(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// The daemon's code, if it was the daemon that refused.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(error) => Some(error.code),
            Self::Unauthorized(_) => Some(Code::Unauthorized),
            _ => None,
        }
    }

    /// How long the daemon asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(error) => error.retry_after,
            _ => None,
        }
    }
}
