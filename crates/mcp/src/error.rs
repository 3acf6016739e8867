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
}
