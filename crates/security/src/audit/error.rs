use std::path::PathBuf;

use super::verify::Fault;

/// Why something could not be written down, or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Do not do what was to be audited. It is tried again with the next record.
    #[error("the audit log cannot be written: {0}")]
    Unwritable(String),
    /// Somebody has to look: the end of the log is not as it was left. `orchestrator audit verify` tells more; a directory
    /// that is moved away is begun anew.
    #[error("the audit log in {} is not as it was left: {fault}", directory.display())]
    Tampered {
        /// Where it is.
        directory: PathBuf,
        /// What is wrong first.
        fault: Box<Fault>,
    },
    /// Look at the file: it cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Replace the file: it is no key.
    #[error("{} holds no Ed25519 key (PKCS #8)", path.display())]
    Key {
        /// Which.
        path: PathBuf,
    },
}

impl Error {
    pub(super) fn unreadable(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Unreadable { path, source }
    }
}
