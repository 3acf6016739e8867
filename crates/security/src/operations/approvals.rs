use std::time::Duration;

use orchestrator_rpc::page::{Cursor, Limit, Page};
use orchestrator_rpc::{Call, Code, Error as Refusal, Operation, Scope, Table};
use orchestrator_transcript::Digest;
use orchestrator_vocab::SessionId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::approvals::{ApprovalQuery, Approvals, Ruling, Which, Word};
use crate::{Approval, ApprovalError, ApprovalId, ApprovalStatus, Audit, Decision, Entry, Grant, GrantId};

const NOTE_CHARS_MAX: usize = 2_000;
/// When to try again what could not be audited or kept.
const RETRY: Duration = Duration::from_secs(1);

/// Which approvals.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListParams {
    /// How many at most.
    #[serde(default)]
    limit: Limit,
    /// Where to go on: `nextCursor` of the page before.
    #[serde(default)]
    cursor: Option<Cursor>,
    /// Only those in this state.
    #[serde(default)]
    status: Option<ApprovalStatus>,
    /// Only those of this session.
    #[serde(default)]
    session_id: Option<SessionId>,
}

/// Which grants.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GrantParams {
    /// How many at most.
    #[serde(default)]
    limit: Limit,
    /// Where to go on: `nextCursor` of the page before.
    #[serde(default)]
    cursor: Option<Cursor>,
}

/// Which approval.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetParams {
    /// Its name.
    approval_id: ApprovalId,
}

/// Which grant.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RevokeParams {
    /// Its name.
    grant_id: GrantId,
}

/// A yes. Either `approvalId`, or `sessionId` and `requestId`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApproveParams {
    /// Which approval.
    #[serde(default)]
    approval_id: Option<ApprovalId>,
    /// The session that waits.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// The call that waits, as `tool.request` and the session's history name it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1_000))]
    request_id: Option<String>,
    /// What was shown. If it is given and another call waits, nothing is approved.
    #[serde(default)]
    digest: Option<Digest>,
    /// Whether every call like it is confirmed from now on: of the same agent, tool and arguments.
    #[serde(default)]
    always: bool,
    /// Why, for whoever looks at it later.
    #[serde(default)]
    #[schemars(length(max = NOTE_CHARS_MAX))]
    note: Option<String>,
}

/// A no. Either `approvalId`, or `sessionId` and `requestId`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DenyParams {
    /// Which approval.
    #[serde(default)]
    approval_id: Option<ApprovalId>,
    /// The session that waits.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// The call that waits, as `tool.request` and the session's history name it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1_000))]
    request_id: Option<String>,
    /// Why, for the agent and for whoever looks at it later.
    #[serde(default)]
    #[schemars(length(max = NOTE_CHARS_MAX))]
    reason: Option<String>,
}

#[derive(Clone)]
struct Desk {
    approvals: Approvals,
    audit: Audit,
}

/// `approval.list`, `approval.get`, `tool.approve`, `tool.deny`, `grant.list` and `grant.revoke`.
pub fn approval_operations(approvals: &Approvals, audit: &Audit) -> Table {
    let desk = Desk { approvals: approvals.clone(), audit: audit.clone() };
    let (listing, getting, saying_yes) = (desk.clone(), desk.clone(), desk.clone());
    let (saying_no, granted, revoking) = (desk.clone(), desk.clone(), desk);
    let list = move |call: Call, params: ListParams| list(listing.clone(), call, params);
    let get = move |call: Call, params: GetParams| get(getting.clone(), call, params);
    let approve = move |call: Call, params: ApproveParams| approve(saying_yes.clone(), call, params);
    let deny = move |call: Call, params: DenyParams| deny(saying_no.clone(), call, params);
    let grants = move |call: Call, params: GrantParams| grants(granted.clone(), call, params);
    let revoke = move |call: Call, params: RevokeParams| revoke(revoking.clone(), call, params);
    let lists = "Lists calls of tools that wait for a person, or waited, the newest first";
    let yes = "Confirms a call that waits; its session goes on and makes it, once";
    let no = "Says no to a call that waits; its session goes on without it";
    let revokes = "Has calls confirmed one by one again that were confirmed for good";
    let answers = [Code::NotFound, Code::Forbidden, Code::Conflict, Code::Unavailable];
    Table::new()
        .with(Operation::new("approval.list", Scope::Read, lists, list).read_only().fails_with([Code::Unavailable]))
        .with(
            Operation::new("approval.get", Scope::Read, "Shows a call that waits for a person", get)
                .read_only()
                .fails_with([Code::NotFound, Code::Unavailable]),
        )
        .with(Operation::new("tool.approve", Scope::Approve, yes, approve).fails_with(answers))
        .with(Operation::new("tool.deny", Scope::Approve, no, deny).fails_with(answers))
        .with(
            Operation::new("grant.list", Scope::Read, "Lists the calls that were confirmed for good", grants)
                .read_only()
                .fails_with([Code::Unavailable]),
        )
        .with(
            Operation::new("grant.revoke", Scope::Admin, revokes, revoke)
                .fails_with([Code::NotFound, Code::Unavailable]),
        )
}

async fn list(desk: Desk, call: Call, params: ListParams) -> Result<Page<Approval>, Refusal> {
    let limit = params.limit.get();
    let before = params.cursor.as_ref().map(Cursor::read).transpose()?;
    let query = ApprovalQuery { status: params.status, session: params.session_id, before, limit: limit + 1 };
    let items = desk.approvals.list(call.org(), &query).await?;
    Ok(page(items, limit, |approval| approval.id))
}

async fn get(desk: Desk, call: Call, params: GetParams) -> Result<Approval, Refusal> {
    Ok(desk.approvals.get(call.org(), params.approval_id).await?)
}

async fn approve(desk: Desk, call: Call, params: ApproveParams) -> Result<Approval, Refusal> {
    let ApproveParams { approval_id, session_id, request_id, digest, always, note } = params;
    let which = which(approval_id, session_id, request_id)?;
    let word = if always { Word::ApproveAlways } else { Word::Approve };
    let ruling = Ruling { word, by: call.actor(), note: checked(note, "note")?, digest };
    desk.rule(&call, &which, ruling).await
}

async fn deny(desk: Desk, call: Call, params: DenyParams) -> Result<Approval, Refusal> {
    let DenyParams { approval_id, session_id, request_id, reason } = params;
    let which = which(approval_id, session_id, request_id)?;
    let ruling = Ruling { word: Word::Deny, by: call.actor(), note: checked(reason, "reason")?, digest: None };
    desk.rule(&call, &which, ruling).await
}

async fn grants(desk: Desk, call: Call, params: GrantParams) -> Result<Page<Grant>, Refusal> {
    let limit = params.limit.get();
    let before = params.cursor.as_ref().map(Cursor::read).transpose()?;
    let items = desk.approvals.grants(call.org(), before, limit + 1).await?;
    Ok(page(items, limit, |grant| grant.id))
}

async fn revoke(desk: Desk, call: Call, params: RevokeParams) -> Result<Grant, Refusal> {
    Ok(desk.approvals.revoke(call.org(), params.grant_id, &call.actor()).await?)
}

impl Desk {
    /// What is answered is written down before it counts.
    async fn rule(&self, call: &Call, which: &Which, ruling: Ruling) -> Result<Approval, Refusal> {
        let approval = self.approvals.find(call.org(), which).await?;
        // Whoever may not answer, or comes too late, changes nothing: that refusal is written down where all are.
        self.approvals.check(&approval, &ruling)?;
        let entry = entry(&approval, &ruling);
        self.audit.append(entry).await.map_err(|error| {
            Refusal::unavailable(format!("it must be audited, and {error}")).with_retry_after(RETRY)
        })?;
        let id = approval.id;
        Ok(self.approvals.rule(call.org(), id, ruling).await?)
    }
}

/// A no is the end of the call; after a yes the gate writes down that it is made.
fn entry(approval: &Approval, ruling: &Ruling) -> Entry {
    let id = approval.id;
    let (action, decision, reason) = match ruling.word {
        Word::Deny => (approval.tool.clone(), Decision::Denied, format!("{} said no ({id})", ruling.by)),
        word => {
            let what = if word == Word::ApproveAlways { "for good" } else { "once" };
            let reason = format!("{id}: {} by agent:{}, {what}", approval.tool, approval.agent_id);
            ("tool.approve".to_owned(), Decision::Allowed, reason)
        }
    };
    approval.entry(ruling.by.clone(), action, decision, reason)
}

fn which(approval: Option<ApprovalId>, session: Option<SessionId>, request: Option<String>) -> Result<Which, Refusal> {
    match (approval, session, request) {
        (Some(id), None, None) => Ok(Which::Id(id)),
        (None, Some(session), Some(request)) => Ok(Which::Call(session, request)),
        _ => Err(Refusal::invalid_field("approvalId", "expected either `approvalId`, or `sessionId` and `requestId`")),
    }
}

fn checked(note: Option<String>, field: &'static str) -> Result<Option<String>, Refusal> {
    match note {
        Some(note) if note.chars().count() > NOTE_CHARS_MAX || note.contains('\0') => {
            let expected = format!("expected at most {NOTE_CHARS_MAX} characters without NUL");
            Err(Refusal::invalid_field(field, expected))
        }
        note => Ok(note.filter(|note| !note.trim().is_empty())),
    }
}

/// One more than fits was asked for, to know whether there is one.
fn page<T, I: serde::Serialize>(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> I) -> Page<T> {
    let is_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().map(|item| Cursor::of(&id(item))).filter(|_| is_more);
    Page { items, next_cursor }
}

impl From<ApprovalError> for Refusal {
    fn from(error: ApprovalError) -> Self {
        match &error {
            ApprovalError::NotFound(_) => Self::not_found(error.to_string()),
            ApprovalError::NotTheirs { .. } => Self::forbidden(error.to_string()),
            ApprovalError::Other(_) | ApprovalError::Over { .. } => Self::conflict(error.to_string()),
            ApprovalError::Full { .. } | ApprovalError::Store(_) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "approvals");
                Self::unavailable(error.to_string()).with_retry_after(RETRY)
            }
        }
    }
}
