//! The operations `budget.*` and `usage.list`.

use std::future::Future;

use orchestrator_rpc::page::{Cursor, Limit as PageLimit, Page};
use orchestrator_rpc::{Call, Code, Error as Refused, NoParams, Operation, Scope as Right, Table};
use orchestrator_vocab::{AgentId, NanoUsd, SessionId, TaskId, Timestamp, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{By, Error, Ledger, Limit, Refusal, Report, Scope, Span, Spending, SpendingId, SpendingQuery, Status};

/// The operations `budget.status`, `budget.report`, `budget.set` and `usage.list`.
pub fn operations(ledger: &Ledger) -> Table {
    let status = operation(ledger, "budget.status", Right::Read, "Tells what is spent, reserved and left", status);
    let report =
        operation(ledger, "budget.report", Right::Read, "Adds up what was spent, and what could be saved", report);
    let set = operation(ledger, "budget.set", Right::Admin, "Sets, replaces or removes a limit", set);
    let list = operation(ledger, "usage.list", Right::Read, "Lists what was spent, the newest first", list);
    Table::new()
        .with(status.read_only().tool())
        .with(report.read_only().tool())
        .with(set.fails_with([Code::NotFound]))
        .with(list.read_only())
}

fn operation<P, R, F>(
    ledger: &Ledger,
    name: &'static str,
    scope: Right,
    summary: &'static str,
    handler: impl Fn(Ledger, Call, P) -> F + Send + Sync + 'static,
) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Future<Output = Result<R, Refused>> + Send + 'static,
{
    let ledger = ledger.clone();
    Operation::new(name, scope, summary, move |call, params| handler(ledger.clone(), call, params))
}

/// The parameters of `budget.report`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportParams {
    /// By what it is told apart.
    #[serde(default)]
    pub by: By,
    /// From when on; otherwise from the beginning of the month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until before when; otherwise until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether the same is wanted as comma-separated values too.
    #[serde(default)]
    pub csv: bool,
}

/// What `budget.report` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// Its rows as comma-separated values, if they were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv: Option<String>,
}

/// The parameters of `budget.set`: without tokens and dollars, the limit that was set is removed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetParams {
    /// Whose spending: `organisation`, `agent:coder`, or `agent:*` for each agent by itself.
    pub scope: Scope,
    /// For how long it is added up.
    pub window: Span,
    /// At most so many tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9_000_000_000_000_000_u64))]
    pub tokens: Option<Tokens>,
    /// At most so many US dollars, as `12.50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]{1,9})?$"))]
    pub usd: Option<String>,
    /// Until when; then what is configured counts again. Otherwise until it is replaced or removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What `budget.set` answers: how the organisation stands now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetResult {
    /// The limits that count now.
    pub limits: Vec<Limit>,
}

/// The parameters of `usage.list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageParams {
    /// Only of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Only of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Only of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Only of this model, as its provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many at most.
    #[serde(default)]
    pub limit: PageLimit,
    /// Where to go on: `nextCursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

async fn status(ledger: Ledger, call: Call, NoParams {}: NoParams) -> Result<Status, Refused> {
    Ok(ledger.status(call.org()).await?)
}

async fn report(ledger: Ledger, call: Call, params: ReportParams) -> Result<Reported, Refused> {
    let report = ledger.report(call.org(), params.by, params.from, params.until).await?;
    let csv = params.csv.then(|| report.csv());
    Ok(Reported { report, csv })
}

async fn set(ledger: Ledger, call: Call, params: SetParams) -> Result<SetResult, Refused> {
    let SetParams { scope, window, tokens, usd, expires_at } = params;
    let usd: Option<NanoUsd> =
        usd.map(|usd| usd.parse()).transpose().map_err(|wrong| Refused::invalid_field("usd", wrong))?;
    if tokens.is_none() && usd.is_none() {
        if expires_at.is_some() {
            return Err(Refused::invalid_field("expiresAt", "expected tokens or usd beside it"));
        }
        if !ledger.remove_limit(call.org(), scope, window).await? {
            return Err(Refused::not_found("no such limit was set"));
        }
    } else {
        ledger.set_limit(call.org(), Limit { scope, window, tokens, usd, expires_at }).await?;
    }
    Ok(SetResult { limits: ledger.limits(call.org()).await? })
}

async fn list(ledger: Ledger, call: Call, params: UsageParams) -> Result<Page<Spending>, Refused> {
    let before = params.cursor.as_ref().map(|cursor| cursor.read::<SpendingId>()).transpose()?;
    let limit = params.limit.get();
    let UsageParams { agent, session, task, model, .. } = params;
    let query = SpendingQuery { before, agent, session, task, model, limit: limit + 1 };
    let mut items = ledger.spendings(call.org(), query).await?;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| has_more).map(|last| Cursor::of(&last.id));
    Ok(Page { items, next_cursor })
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let told = error.to_string();
        match error {
            Error::Invalid { field, problem } => Self::invalid_field(field, problem),
            Error::Exhausted(refusal) => Self::budget_exhausted(told).with_data(facts(&refusal)),
            Error::UnknownPrice { .. } => Self::conflict(told),
            Error::NoReservation => Self::not_found(told),
            Error::Store(source) => Self::internal(source),
        }
    }
}

fn facts(refusal: &Refusal) -> serde_json::Value {
    json!({
        "scope": refusal.scope, "limit": refusal.limit, "spent": refusal.spent, "reserved": refusal.reserved,
        "wanted": refusal.wanted, "resetsAt": refusal.resets_at,
    })
}
