use std::net::IpAddr;

use crate::InvalidConfig;

/// Why a request came to nothing. Messages name the host and never an address that it has, a header's value or a query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Correct the configuration.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// Report it: TLS cannot be set up on this machine.
    #[error("the HTTP client cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Correct the address.
    #[error("the address {problem}")]
    Url {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Correct the header, or leave it out.
    #[error("the header `{name}` {problem}")]
    Header {
        /// Which.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Send less.
    #[error("the request's {part} has {bytes} bytes; up to {bytes_max} are sent")]
    RequestTooLarge {
        /// `head` or `body`.
        part: &'static str,
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// Ask another host, or the operator to add it to `onlyHosts`.
    #[error("{host} is none of the hosts that may be asked")]
    NotListed {
        /// The host.
        host: String,
    },
    /// Ask another host, or the operator to add it to `allowHosts` or its network to `allowNetworks`. Nothing was sent to it.
    #[error("{host} is refused: its address is {network}")]
    Reserved {
        /// The host.
        host: String,
        /// The first of its addresses that is not public. Not in the message: it tells about the network inside.
        address: IpAddr,
        /// What kind of network that is in.
        network: &'static str,
    },
    /// Correct the name, or try again later.
    #[error("{host} cannot be found")]
    Unresolved {
        /// The host.
        host: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// Request what it redirects to by itself, if that is right.
    #[error("{host} redirects {problem}")]
    Redirect {
        /// The host that redirects.
        host: String,
        /// Where to, and why that is not followed.
        problem: String,
    },
    /// Try again later.
    #[error("{host} cannot be connected to")]
    Connect {
        /// The host.
        host: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Try again later, or allow more time.
    #[error("{host} took longer than {timeout_ms} ms")]
    TimedOut {
        /// The host.
        host: String,
        /// How long it may take, in milliseconds.
        timeout_ms: u64,
    },
    /// Ask for less. What was read until then can be used, if the caller kept it.
    #[error("the answer of {host} has more than {bytes_max} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// How many it may have.
        bytes_max: usize,
    },
    /// Nothing helps: the answer is packed in a way that was not asked for.
    #[error("the answer of {host} has the content encoding `{encoding}`; gzip or none was asked for")]
    Encoding {
        /// The host.
        host: String,
        /// As it is called there.
        encoding: String,
    },
    /// Try again if that does no harm: the connection broke, or what came is no HTTP. What was asked for may have been done.
    #[error("the connection to {host} broke")]
    Broken {
        /// The host.
        host: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the same request may go better later. It may have been done all the same.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unresolved { .. } | Self::Connect { .. } | Self::TimedOut { .. } | Self::Broken { .. })
    }

    /// Whether a rule forbids it: the operator's, or that of addresses and redirects.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::NotListed { .. } | Self::Reserved { .. } | Self::Redirect { .. })
    }
}
