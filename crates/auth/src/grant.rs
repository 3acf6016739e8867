use std::time::Duration;

use orchestrator_rpc::{Caller, Scopes};
use orchestrator_vocab::{OrgId, Timestamp};
use secrecy::SecretString;

/// Who is to get a token, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose things the holder will see.
    pub org: OrgId,
    /// Who the holder is: 1 to 200 characters, for events and records.
    pub subject: String,
    /// What the holder may do.
    pub scopes: Scopes,
    /// How long. `None` is 24 h (as configured) for a JWT and for ever for an API key.
    pub lifetime: Option<Duration>,
}

/// A new token, shown this once.
#[derive(Debug)]
pub struct Issued {
    /// The token itself.
    pub token: SecretString,
    /// Names it, for revocation.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// Why a credential does not count. For the debug log; whoever showed it learns only that it does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Too long to be looked at.
    #[error("the token is too long")]
    Length,
    /// Not three parts of canonical base64url, or not an API key.
    #[error("the token is malformed")]
    Form,
    /// Signed by nobody we trust.
    #[error("the signature is wrong")]
    Signature,
    /// Another algorithm or name than those of the key that signed, or a header with anything else in it.
    #[error("the header is not exactly that of the key")]
    Header,
    /// A claim is missing, doubled or of the wrong type.
    #[error("the claims are wrong: {0}")]
    Claims(String),
    /// Made by or for somebody else.
    #[error("the token is not of this issuer for this audience")]
    Audience,
    /// No longer.
    #[error("the token has expired")]
    Expired,
    /// Not yet.
    #[error("the token is not valid yet")]
    Early,
    /// It was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// An old refresh token: its family has ended.
    #[error("the refresh token was used before; its family has ended")]
    Reused,
    /// No such key, or another secret.
    #[error("no such key")]
    Unknown,
}

/// The caller with no more than the scopes it asked for: what both it and its credential have.
/// A client that asks for nothing in particular keeps the credential's; do not call this then.
#[must_use]
pub fn narrowed(mut caller: Caller, requested: Scopes) -> Caller {
    caller.scopes = caller.scopes.intersection(requested);
    caller
}
