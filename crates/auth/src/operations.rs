use std::future::Future;
use std::time::Duration;

use orchestrator_rpc::page::{Cursor, Limit, ListParams, Page};
use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Scopes, Table};
use orchestrator_vocab::{OrgId, Timestamp};
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::{Auth, By, Grant, Organisation, Refreshed, TokenKind, TokenRecord};

mod keys;
mod logout;
mod refresh;

/// The operations `auth.token.*`, `auth.key.*`, `org.create` and `org.list`.
pub fn operations(auth: &Auth) -> Table {
    tokens(auth)
        .merge(keys::operations(auth))
        .with(
            operation(auth, "org.create", "Creates an organisation (from the operator's own)", create_org)
                .creates()
                .fails_with([Code::Conflict]),
        )
        .with(operation(auth, "org.list", "Lists the organisations the caller sees", list_orgs).read_only())
}

fn tokens(auth: &Auth) -> Table {
    Table::new()
        .with(
            operation(auth, "auth.token.issue", "Makes a token, which is shown this once", issue)
                .fails_with([Code::NotFound]),
        )
        .with(
            operation(
                auth,
                "auth.token.refresh",
                "Takes a refresh token for an access token and the next",
                refresh::run,
            )
            .open()
            .fails_with([Code::Unauthorized]),
        )
        .with(
            operation(
                auth,
                "auth.token.logout",
                "Ends a refresh token with its family and its connections (RFC 7009)",
                logout::run,
            )
            .open(),
        )
        .with(
            operation(auth, "auth.token.revoke", "Ends a token, or a family of them, and its connections", revoke)
                .fails_with([Code::NotFound]),
        )
        .with(
            operation(auth, "auth.token.update", "Changes what an API key or a family of tokens may do", update)
                .fails_with([Code::NotFound, Code::Conflict]),
        )
        .with(operation(auth, "auth.token.list", "Lists the organisation's tokens, without secrets", list).read_only())
}

/// All but the open ones are for administrators.
fn operation<P, R, F>(
    auth: &Auth,
    name: &'static str,
    summary: &'static str,
    handler: impl Fn(Auth, Call, P) -> F + Send + Sync + 'static,
) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Future<Output = Result<R, Error>> + Send + 'static,
{
    let auth = auth.clone();
    Operation::new(name, Scope::Admin, summary, move |call, params| handler(auth.clone(), call, params))
}

/// A name without spaces around it and without control characters, for schemas.
const NAME: &str = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$";

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IssueParams {
    /// Which kind.
    kind: IssueKind,
    /// Who will use it.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"))]
    subject: String,
    /// What it may do; nothing that the caller may not.
    #[schemars(length(min = 1))]
    scopes: Scopes,
    /// For which organisation; the caller's own unless the caller is of the operator's.
    #[serde(default)]
    org_id: Option<OrgId>,
    /// How long it lasts, up to ten years. By default 24 h for a JWT (as configured), 15 min (as configured) for one with
    /// a refresh token, for ever for an API key.
    #[serde(default)]
    #[schemars(range(min = 1, max = 315_360_000))]
    expires_in_seconds: Option<u64>,
    /// What people call it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100), regex(pattern = NAME))]
    name: Option<String>,
    /// With a refresh token, to get the next JWT with. By default without.
    #[serde(default)]
    refresh: bool,
}

/// The kinds that can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum IssueKind {
    Jwt,
    ApiKey,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct IssueResult {
    /// The token. It cannot be shown again.
    token: String,
    /// Names it, for revocation.
    token_id: String,
    kind: TokenKind,
    org_id: OrgId,
    subject: String,
    scopes: Scopes,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// The refresh token, if one was asked for. It cannot be shown again, and is good once.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Names the family of all tokens that come from this one, for revocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    family_id: Option<String>,
    /// When the family ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_at: Option<Timestamp>,
}

impl From<Refreshed> for IssueResult {
    fn from(tokens: Refreshed) -> Self {
        Self {
            token: tokens.access.token.expose_secret().to_owned(),
            token_id: tokens.access.id,
            kind: TokenKind::Jwt,
            org_id: tokens.org,
            subject: tokens.subject,
            scopes: tokens.scopes,
            created_at: tokens.access.created_at,
            expires_at: tokens.access.expires_at,
            refresh_token: Some(tokens.refresh.expose_secret().to_owned()),
            family_id: Some(tokens.family),
            refresh_expires_at: Some(tokens.ends_at),
        }
    }
}

async fn issue(auth: Auth, call: Call, params: IssueParams) -> Result<IssueResult, Error> {
    let grant = Grant {
        org: params.org_id.unwrap_or(call.org()),
        subject: params.subject,
        scopes: params.scopes,
        lifetime: params.expires_in_seconds.map(Duration::from_secs),
    };
    let (by, is_jwt) = (By::from(&call), params.kind == IssueKind::Jwt);
    if params.refresh {
        if !is_jwt {
            return Err(Error::invalid_field("refresh", "only a JWT comes with a refresh token"));
        }
        return Ok(auth.issue_refreshable(&by, params.name, grant).await?.into());
    }
    let kind = if is_jwt { TokenKind::Jwt } else { TokenKind::ApiKey };
    let issued = auth.issue(&by, kind, params.name, grant.clone()).await?;
    Ok(IssueResult {
        token: issued.token.expose_secret().to_owned(),
        token_id: issued.id,
        kind,
        org_id: grant.org,
        subject: grant.subject,
        scopes: grant.scopes,
        created_at: issued.created_at,
        expires_at: issued.expires_at,
        refresh_token: None,
        family_id: None,
        refresh_expires_at: None,
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RevokeParams {
    /// The token's id: of an API key, of a family of refresh tokens, or the `jti` of a JWT.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"))]
    token_id: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RevokeResult {
    token_id: String,
    /// Always true.
    revoked: bool,
}

async fn revoke(auth: Auth, call: Call, params: RevokeParams) -> Result<RevokeResult, Error> {
    auth.revoke(&By::from(&call), &params.token_id).await?;
    Ok(RevokeResult { token_id: params.token_id, revoked: true })
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateParams {
    /// The id of an API key or of a family of refresh tokens.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"))]
    token_id: String,
    /// What it may do from now on; nothing that the caller may not.
    #[schemars(length(min = 1))]
    scopes: Scopes,
}

async fn update(auth: Auth, call: Call, params: UpdateParams) -> Result<TokenRecord, Error> {
    Ok(auth.update(&By::from(&call), &params.token_id, params.scopes).await?)
}

async fn list(auth: Auth, call: Call, params: ListParams) -> Result<Page<TokenRecord>, Error> {
    let after = params.cursor.map(|cursor| cursor.read::<String>()).transpose()?;
    let found = auth.tokens(call.org(), after.as_deref(), one_more(params.limit)).await?;
    Ok(page(found, params.limit, |token| Cursor::of(&token.id)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateOrgParams {
    /// What people call it; 1 to 100 characters, not in use.
    #[schemars(length(min = 1, max = 100), regex(pattern = NAME))]
    name: String,
    /// Makes the call repeatable.
    #[serde(default, rename = "idempotencyKey")]
    _idempotency_key: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CreateOrgResult {
    id: OrgId,
    name: String,
    created_at: Timestamp,
    /// What to do next.
    note: String,
}

async fn create_org(auth: Auth, call: Call, params: CreateOrgParams) -> Result<CreateOrgResult, Error> {
    let Organisation { id, name, created_at } =
        auth.create_org(&By::from(&call), &params.name, call.idempotency_key.clone()).await?;
    let note = format!("call auth.token.issue with orgId {id} and scopes [daemon.admin] to get its first token");
    Ok(CreateOrgResult { id, name, created_at, note })
}

async fn list_orgs(auth: Auth, call: Call, params: ListParams) -> Result<Page<Organisation>, Error> {
    let after = params.cursor.map(|cursor| cursor.read::<OrgId>()).transpose()?;
    let found = auth.orgs(call.org(), after, one_more(params.limit)).await?;
    Ok(page(found, params.limit, |org| Cursor::of(&org.id)))
}

/// One more than asked for tells whether there is another page.
fn one_more(limit: Limit) -> u32 {
    u32::try_from(limit.get() + 1).unwrap_or(u32::MAX)
}

fn page<T>(mut items: Vec<T>, limit: Limit, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let has_more = items.len() > limit.get();
    items.truncate(limit.get());
    let next_cursor = items.last().filter(|_| has_more).map(cursor);
    Page { items, next_cursor }
}
