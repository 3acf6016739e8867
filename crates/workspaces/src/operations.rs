use std::future::Future;
use std::time::Duration;

use orchestrator_rpc::page::{Cursor, ListParams, Page};
use orchestrator_rpc::{Call, Code, Error as Refusal, Operation, Scope, Table};
use orchestrator_vocab::{SessionId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Difference, Error, Mode, Query, Status, Workspace, Workspaces};

/// The operations `session.workspace.get`, `list`, `diff`, `merge` and `discard`.
pub fn operations(workspaces: &Workspaces) -> Table {
    let get = operation(workspaces, "session.workspace.get", Scope::Read, "Shows where a session works on files", get);
    let list = operation(workspaces, "session.workspace.list", Scope::Read, "Lists workspaces, the newest first", list);
    let diff = operation(workspaces, "session.workspace.diff", Scope::Read, "Shows what a session changed", diff);
    let merge = operation(
        workspaces,
        "session.workspace.merge",
        Scope::Write,
        "Brings a session's changes into the source",
        merge,
    );
    let discard = operation(
        workspaces,
        "session.workspace.discard",
        Scope::Write,
        "Removes a workspace with everything that was changed in it",
        discard,
    );
    let changes = [Code::NotFound, Code::Conflict, Code::Unavailable];
    Table::new()
        .with(get.read_only().fails_with([Code::NotFound]))
        .with(list.read_only())
        .with(diff.read_only().fails_with(changes))
        .with(merge.fails_with(changes))
        .with(discard.fails_with(changes))
}

fn operation<P, R, F>(
    workspaces: &Workspaces,
    name: &'static str,
    scope: Scope,
    summary: &'static str,
    handler: impl Fn(Workspaces, Call, P) -> F + Send + Sync + 'static,
) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    let workspaces = workspaces.clone();
    Operation::new(name, scope, summary, move |call, params| handler(workspaces.clone(), call, params))
}

/// The parameters of `session.workspace.get` and `discard`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceParams {
    /// Whose workspace.
    pub session_id: SessionId,
}

/// The parameters of `session.workspace.diff`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiffParams {
    /// Whose workspace.
    pub session_id: SessionId,
}

/// The parameters of `session.workspace.merge`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MergeParams {
    /// Whose workspace.
    pub session_id: SessionId,
    /// The message of the commit; by default it names the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10_000))]
    pub message: Option<String>,
}

/// A workspace as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceInfo {
    /// Whose it is.
    pub session_id: SessionId,
    /// Where it is in its life.
    pub status: Status,
    /// How it works on its source.
    pub mode: Mode,
    /// The name of the source; absent if it began empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its directory, on the machine of the node.
    pub path: String,
    /// The daemon on whose machine it is.
    pub node: String,
    /// The branch of a worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that a worktree began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The commit with its changes, once it is merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What somebody should know: what was left out, which branch was kept.
    pub notes: Vec<String>,
    /// Whether anything was changed in it, as seen at its session's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its session was seen to have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it was merged or discarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// What its files take, in bytes; told by `session.workspace.get` of the node that has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MergeResult {
    workspace: WorkspaceInfo,
    /// Whether anything was changed in the source.
    changed: bool,
}

impl From<Workspace> for WorkspaceInfo {
    fn from(workspace: Workspace) -> Self {
        Self {
            session_id: workspace.session,
            status: workspace.status,
            mode: workspace.mode,
            source: workspace.source.map(|name| name.to_string()),
            path: workspace.path.display().to_string(),
            node: workspace.node,
            branch: workspace.branch,
            base: workspace.base,
            commit: workspace.commit,
            notes: workspace.notes,
            changed: workspace.changed,
            created_at: workspace.created_at,
            ended_at: workspace.ended_at,
            closed_at: workspace.closed_at,
            bytes: None,
        }
    }
}

async fn get(workspaces: Workspaces, call: Call, params: WorkspaceParams) -> Result<WorkspaceInfo, Refusal> {
    let workspace = workspaces.get(call.org(), params.session_id).await?;
    let bytes = workspaces.usage(call.org(), params.session_id).await;
    // It is closed, or on another machine: the rest is known here all the same.
    Ok(WorkspaceInfo { bytes: bytes.ok(), ..workspace.into() })
}

async fn list(workspaces: Workspaces, call: Call, params: ListParams) -> Result<Page<WorkspaceInfo>, Refusal> {
    let before = params.cursor.map(|cursor| cursor.read::<SessionId>()).transpose()?;
    let limit = params.limit.get();
    let mut found = workspaces.list(call.org(), Query { before, limit: limit + 1 }).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| Cursor::of(&last.session));
    Ok(Page { items: found.into_iter().map(WorkspaceInfo::from).collect(), next_cursor })
}

async fn diff(workspaces: Workspaces, call: Call, params: DiffParams) -> Result<Difference, Refusal> {
    Ok(workspaces.diff(call.org(), params.session_id).await?)
}

async fn merge(workspaces: Workspaces, call: Call, params: MergeParams) -> Result<MergeResult, Refusal> {
    let merged = workspaces.merge(call.org(), params.session_id, params.message, call.actor()).await?;
    Ok(MergeResult { workspace: merged.workspace.into(), changed: merged.changed })
}

async fn discard(workspaces: Workspaces, call: Call, params: WorkspaceParams) -> Result<WorkspaceInfo, Refusal> {
    Ok(workspaces.discard(call.org(), params.session_id, call.actor()).await?.into())
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound(_) => Self::not_found(message),
            Error::Conflicts { paths } | Error::Uncommitted { paths } => {
                Self::conflict(message).with_data(json!({ "paths": paths }))
            }
            Error::Invalid { field, problem } => Self::invalid_field(field, problem),
            Error::InUse(_) | Error::Raced(_) => Self::conflict(message).with_retry_after(Duration::from_secs(1)),
            Error::Closed { .. }
            | Error::Unfit { .. }
            | Error::Gone(_)
            | Error::Git { .. }
            | Error::NoGit
            | Error::Source { .. }
            | Error::UnknownSource(_)
            | Error::TooLarge { .. } => Self::conflict(message),
            Error::Elsewhere { .. } => Self::unavailable(message),
            Error::Io { .. } | Error::Store(_) => Self::unavailable(message).with_source(error),
        }
    }
}
