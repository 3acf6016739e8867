use std::fmt;

use async_trait::async_trait;
use orchestrator_vocab::{OrgId, Timestamp};
use secrecy::SecretString;
use tokio::sync::watch;

use crate::{Error, Scopes};

/// Who calls, as an [`Authenticator`] found out.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose things the caller sees and changes; never another's.
    pub org: OrgId,
    /// The person or program, by the credential's subject.
    pub subject: String,
    /// What it may do.
    pub scopes: Scopes,
    /// A stable name of the credential, for limits and revocation; never the secret.
    pub credential: String,
    /// When the credential ends; `None` if it does not. Connections must not outlive it.
    pub expires_at: Option<Timestamp>,
    /// Turns from [`Standing::Good`] while connections are open. A closed channel keeps its last value.
    pub standing: watch::Receiver<Standing>,
}

impl Caller {
    /// A caller in good standing for ever, whose credential is named like its subject: for tests and embedders.
    pub fn new(org: OrgId, subject: impl Into<String>, scopes: impl Into<Scopes>) -> Self {
        let subject = subject.into();
        let standing = watch::channel(Standing::Good).1;
        Self { org, credential: subject.clone(), subject, scopes: scopes.into(), expires_at: None, standing }
    }

    /// Somebody without a credential, who may call [open](crate::Operation::open) operations only. `name` tells such
    /// callers apart for limits: an address.
    pub fn anonymous(name: impl fmt::Display) -> Self {
        let credential = format!("anonymous {name}");
        Self { credential, ..Self::new(OrgId::LOCAL, "anonymous", Scopes::NONE) }
    }

    /// Whether the credential still counts, as far as `standing` knows; expiry is the transport's to watch.
    pub fn is_good(&self) -> bool {
        *self.standing.borrow() == Standing::Good
    }
}

/// Whether a credential still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It does.
    Good,
    /// It was revoked: close its connections, refuse its calls.
    Revoked,
    /// It counts, but the role behind it changed: the same, and whoever authenticates again gets the new one.
    Changed,
}

/// What a client shows. Debug output hides the secret.
#[derive(Debug, Clone)]
pub enum Credential {
    /// `Authorization: Bearer`: a signed token or an API key.
    Bearer(SecretString),
    /// `X-API-Key`.
    ApiKey(SecretString),
}

/// Finds out who is calling, once per connection or HTTP request.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The caller, or [`Code::Unauthorized`](crate::Code::Unauthorized) with one and the same message for every
    /// credential that does not count, or [`Code::Unavailable`](crate::Code::Unavailable) if that cannot be told now.
    async fn authenticate(&self, credential: &Credential) -> Result<Caller, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_never_prints_its_secret() {
        for credential in [Credential::Bearer("s3cret".into()), Credential::ApiKey("s3cret".into())] {
            assert!(!format!("{credential:?}").contains("s3cret"));
        }
    }
}
