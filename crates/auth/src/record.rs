use orchestrator_rpc::{Call, Caller, Scopes};
use orchestrator_vocab::{Actor, OrgId, Timestamp};
use serde::{Deserialize, Serialize};

/// Which kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum TokenKind {
    /// Signed: it carries who and what, and always ends.
    Jwt,
    /// Random: who and what is looked up, and it may last for ever.
    ApiKey,
    /// A family of refresh tokens: each is good for one access token and its own successor.
    Refresh,
}

impl TokenKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Jwt, Self::ApiKey, Self::Refresh];

    /// As in messages: `jwt`, `apiKey` or `refresh`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::ApiKey => "apiKey",
            Self::Refresh => "refresh",
        }
    }
}

/// What is known of a token that was issued here. Not the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    /// Names the token, for revocation.
    pub id: String,
    /// Whose things the holder sees.
    #[serde(rename = "orgId")]
    pub org: OrgId,
    /// Which kind.
    pub kind: TokenKind,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who the holder is.
    pub subject: String,
    /// What the holder may do.
    pub scopes: Scopes,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used: an API key to about a minute, a family of refresh tokens exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Organisation {
    /// Names it everywhere.
    pub id: OrgId,
    /// What people call it; no two have the same.
    pub name: String,
    /// When it was created; 1970 for the operator's own, which was always there.
    pub created_at: Timestamp,
}

/// On whose behalf tokens and organisations are changed.
#[derive(Debug, Clone)]
pub struct By {
    /// From which organisation.
    pub org: OrgId,
    /// Who, for events.
    pub actor: Actor,
    /// What they may do, and so may let others do.
    pub scopes: Scopes,
    /// Names the request, for events.
    pub correlation: Option<String>,
}

impl By {
    /// A part of the daemon itself, which may do everything in the operator's organisation.
    pub fn daemon(part: &'static str) -> Self {
        Self { org: OrgId::LOCAL, actor: Actor::system(part), scopes: Scopes::ADMIN, correlation: None }
    }
}

impl From<&Caller> for By {
    fn from(caller: &Caller) -> Self {
        let actor = Actor::User(caller.subject.clone());
        Self { org: caller.org, actor, scopes: caller.scopes, correlation: None }
    }
}

impl From<&Call> for By {
    fn from(call: &Call) -> Self {
        Self { correlation: Some(call.correlation.clone()), ..Self::from(&*call.caller) }
    }
}
