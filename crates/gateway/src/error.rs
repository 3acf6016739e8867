use std::path::PathBuf;

/// Why a gateway could not be built or a certificate not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the configuration.
    #[error("gateway.{field}: expected {expected}")]
    InvalidConfig {
        /// The field as it is written in a file.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Check that the file exists and may be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Put PEM into the file: certificates, leaf first, or one private key.
    #[error("{path} holds no usable PEM: {message}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Use a key that belongs to the certificate, of a kind rustls knows.
    #[error("the certificate and the key cannot be used together")]
    Certificate(#[source] rustls::Error),
    /// Fix the operation table: a defect of the program.
    #[error(transparent)]
    InvalidTable(#[from] orchestrator_rpc::InvalidTable),
    /// Give the page, or what is mounted, another path: one that starts with `/`, has no braces and is not taken.
    #[error("nothing can be served at {0}")]
    InvalidPage(String),
}
