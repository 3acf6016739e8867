use orchestrator_rpc::page::Limit;
use orchestrator_rpc::{Call, Code, Error as Refusal, NoParams, Operation, Scope, Table};
use orchestrator_vocab::{Actor, OrgId, SessionId, TaskId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::{Audit, Decision, Error, Filter, Record, Summary, Verified};

/// Which records.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListParams {
    /// How many at most.
    #[serde(default)]
    limit: Limit,
    /// Only records before this number: `next` of the page before.
    #[serde(default)]
    before: Option<u64>,
    /// Only what this one wanted: `user:NAME`, `agent:NAME` or `system:NAME`.
    #[serde(default)]
    actor: Option<Actor>,
    /// Only this action, by its exact name.
    #[serde(default)]
    action: Option<String>,
    /// Only what was decided like this.
    #[serde(default)]
    decision: Option<Decision>,
    /// Only what was wanted in this session.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// Only what was wanted for this task.
    #[serde(default)]
    task_id: Option<TaskId>,
    /// Not before this time.
    #[serde(default)]
    since: Option<Timestamp>,
    /// Before this time.
    #[serde(default)]
    until: Option<Timestamp>,
}

/// A page of records.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Records {
    /// The newest first.
    items: Vec<Record>,
    /// What `before` of the next page is; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Over which records.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReportParams {
    /// Not before this time.
    #[serde(default)]
    since: Option<Timestamp>,
    /// Before this time.
    #[serde(default)]
    until: Option<Timestamp>,
}

/// From where on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExportParams {
    /// The record to begin with.
    #[serde(default = "one")]
    from: u64,
    /// How many lines at most, about.
    #[serde(default)]
    limit: Limit,
}

fn one() -> u64 {
    1
}

/// Lines of the log's files, in their order.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Exported {
    /// As they are; what was there before `from` is not among them.
    lines: Vec<String>,
    /// What `from` of the next page is; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    /// On the last page the signed note of how far the log goes, as it is kept in `head.json` beside the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// The operations `audit.list`, `audit.report`, `audit.verify` and `audit.export`.
pub fn operations(audit: &Audit) -> Table {
    let (listed, reported, verified, exported) = (audit.clone(), audit.clone(), audit.clone(), audit.clone());
    let list = move |call: Call, params: ListParams| list(listed.clone(), call, params);
    let report = move |call: Call, params: ReportParams| report(reported.clone(), call, params);
    let verify = move |call: Call, NoParams {}| verify(verified.clone(), call);
    let export = move |call: Call, params: ExportParams| export(exported.clone(), call, params);
    let all = "Looks at every record of the audit log and tells what was changed (for the operator's organisation)";
    let lines = "Gives the audit log's lines, to be kept or verified elsewhere (for the operator's organisation)";
    Table::new()
        .with(Operation::new("audit.list", Scope::Admin, "Lists what was decided, the newest first", list).read_only())
        .with(
            Operation::new("audit.report", Scope::Admin, "Counts what was decided, and by which line", report)
                .read_only(),
        )
        .with(Operation::new("audit.verify", Scope::Admin, all, verify).read_only().fails_with([Code::Forbidden]))
        .with(Operation::new("audit.export", Scope::Admin, lines, export).read_only().fails_with([Code::Forbidden]))
}

async fn list(audit: Audit, call: Call, params: ListParams) -> Result<Records, Refusal> {
    let filter = Filter {
        org: Some(call.org()),
        actor: params.actor,
        action: params.action,
        decision: params.decision,
        session: params.session_id,
        task: params.task_id,
        since: params.since,
        until: params.until,
    };
    let limit = params.limit.get();
    let mut items = blocking(move || audit.list(&filter, params.before, limit + 1)).await?;
    let is_more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(|record| record.seq).filter(|_| is_more);
    Ok(Records { items, next })
}

async fn report(audit: Audit, call: Call, params: ReportParams) -> Result<Summary, Refusal> {
    let ReportParams { since, until } = params;
    let filter = Filter { org: Some(call.org()), since, until, ..Filter::default() };
    blocking(move || audit.summary(&filter)).await
}

async fn verify(audit: Audit, call: Call) -> Result<Verified, Refusal> {
    of_operator(&call)?;
    blocking(move || audit.verify()).await
}

async fn export(audit: Audit, call: Call, params: ExportParams) -> Result<Exported, Refusal> {
    of_operator(&call)?;
    blocking(move || {
        // Before the lines: they go at least as far.
        let note = audit.note()?;
        let (lines, next) = audit.lines(params.from, params.limit.get())?;
        Ok(Exported { lines, next, note: note.filter(|_| next.is_none()) })
    })
    .await
}

/// The files hold what was decided in every organisation.
fn of_operator(call: &Call) -> Result<(), Refusal> {
    match call.org() == OrgId::LOCAL {
        true => Ok(()),
        false => Err(Refusal::forbidden("only the operator's organisation may read the audit log as a whole")),
    }
}

async fn blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Refusal> {
    spawn_blocking(read).await.map_err(Refusal::internal)?.map_err(Refusal::internal)
}
