use std::io;
use std::path::PathBuf;

use crate::WeakSecret;

/// What goes wrong with credentials and organisations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Show another credential. Deliberately says nothing about why; the reason is in the debug log.
    #[error("unauthorized")]
    Unauthorized,
    /// Show another credential: this one was good and has ended. Whoever shows it had it, so that may be told.
    #[error("unauthorized")]
    Expired,
    /// Ask somebody who may.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Fix the parameter.
    #[error("`{field}`: {expected}")]
    Invalid {
        /// Which one, as callers write it.
        field: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// Fix the token's id. A token of another organisation is not found either.
    #[error("no token {0}")]
    NoToken(String),
    /// Revoke the token and issue another.
    #[error("what {0} may do is written in it and signed; revoke it and issue another")]
    SignedScopes(String),
    /// Fix the key's id.
    #[error("no key {0}")]
    NoKey(String),
    /// Rotate first.
    #[error("{0} signs new tokens; rotate before it is retired")]
    KeyInUse(String),
    /// Retire one first.
    #[error("as many keys count as may; retire one first")]
    TooManyKeys,
    /// Configure another key; the program must not start with this one.
    #[error("the configured signing key was retired, and no other took its place; configure another")]
    RetiredKey,
    /// Fix the organisation's id, or create it.
    #[error("no organisation {0}")]
    NoOrganisation(orchestrator_vocab::OrgId),
    /// Choose another name.
    #[error("an organisation named {0:?} exists")]
    NameTaken(String),
    /// Set another secret; the program must not start with this one.
    #[error(transparent)]
    WeakSecret(#[from] WeakSecret),
    /// Look at the file: it must be a regular file that only its owner may access, in a directory that can be written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// Retry later, or page an operator.
    #[error("the store of credentials failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

impl From<Error> for orchestrator_rpc::Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Unauthorized => Self::unauthorized(message),
            Error::Expired => Self::unauthorized(message).with_data(serde_json::json!({ "reason": "TOKEN_EXPIRED" })),
            Error::Forbidden(_) => Self::forbidden(message),
            Error::Invalid { field, expected } => Self::invalid_field(field, expected),
            Error::NoToken(_) | Error::NoKey(_) | Error::NoOrganisation(_) => Self::not_found(message),
            Error::NameTaken(_) | Error::SignedScopes(_) | Error::KeyInUse(_) | Error::TooManyKeys => {
                Self::conflict(message)
            }
            Error::WeakSecret(_) | Error::File { .. } | Error::RetiredKey => Self::internal(error),
            Error::Store(_) => Self::unavailable(message).with_source(error),
        }
    }
}
