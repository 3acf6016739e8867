type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a conversation in the protocol failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The other side does not speak the protocol, or no version of it that is spoken here. Correct what was started.
    #[error("no conversation could be begun")]
    Handshake(#[source] Source),
    /// A defect: what speaks ended by a panic.
    #[error("the conversation broke off")]
    Broken(#[source] Source),
    /// Correct the configuration; the message names the key.
    #[error("{0}")]
    Config(String),
    /// Name one that is configured.
    #[error("there is no server {0}")]
    UnknownServer(String),
    /// It is not started: enable it.
    #[error("the server {0} is not enabled")]
    Disabled(String),
    /// Name a tool that the server offers now.
    #[error("the server {server} offers no tool {tool}")]
    UnknownTool {
        /// The server.
        server: String,
        /// As the server calls it.
        tool: String,
    },
    /// Look at the tool again: it is another one than the one that was confirmed.
    #[error("the tool {tool} of {server} has the digest {digest} now")]
    OtherDigest {
        /// The server.
        server: String,
        /// As the server calls it.
        tool: String,
        /// What it has.
        digest: String,
    },
    /// Retry later: what is remembered of tools cannot be read or written.
    #[error("the store of tools failed")]
    Store(#[source] Source),
}
