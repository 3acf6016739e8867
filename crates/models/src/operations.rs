//! The operations `model.*`.

mod chat;
mod embed;
mod listing;
mod pieces;

use orchestrator_events::Hub;
use orchestrator_redact::Redactor;
use orchestrator_rpc::page::{Cursor, ListParams, Page};
use orchestrator_rpc::{Call, Code, Error as Refusal, Operation, Scope, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Error, ErrorKind, ProviderError, Router, Target, Trace, TraceId};

pub use chat::{ChatMessage, ChatParams, ChatResult, ChatText, ChatThinking, ChatTool, ChatToolChoice};
pub use embed::{EmbedParams, EmbedResult};
pub use listing::{KnownModel, ModelList, ProbeParams, Probed, Probes, ProviderFailure};

/// The operations `model.chat`, `model.embed`, `model.list`, `model.probe`, `model.trace` and `model.traces`. What is streamed is offered to
/// `hub`, without the secrets that `redactor` knows.
pub fn operations(router: &Router, hub: &Hub, redactor: &Redactor) -> Table {
    let desk = chat::Desk { router: router.clone(), hub: hub.clone(), redactor: redactor.clone() };
    let chat = move |call: Call, params| {
        let desk = desk.clone();
        async move { desk.chat(&call, params).await }
    };
    let embedding = router.clone();
    let embed = move |call: Call, params| {
        let router = embedding.clone();
        async move { embed::embed(&router, &call, params).await }
    };
    let listing = router.clone();
    let list = move |_: Call, orchestrator_rpc::NoParams {}| {
        let router = listing.clone();
        async move { Ok(listing::list(&router).await) }
    };
    let probing = router.clone();
    let probe = move |_: Call, params| {
        let router = probing.clone();
        async move { listing::probe(&router, params).await }
    };
    let tracing = router.clone();
    let trace = move |call: Call, params: TraceParams| {
        let trace = tracing.trace(call.org(), params.trace_id).map(|trace| (*trace).clone());
        async move { trace.ok_or_else(|| Refusal::not_found(format!("no trace {}", params.trace_id))) }
    };
    let recent = router.clone();
    let traces = move |call: Call, params: ListParams| {
        let page = page(&recent, &call, &params);
        async move { page }
    };
    let asked = "Asks a language model, and another if the first cannot answer";
    let failures = [Code::NotFound, Code::Conflict, Code::Unavailable, Code::Timeout, Code::BudgetExhausted];
    Table::new()
        .with(Operation::new("model.chat", Scope::Write, asked, chat).fails_with(failures))
        .with(
            Operation::new("model.embed", Scope::Write, "Makes vectors of texts, for finding what is alike", embed)
                .fails_with(failures),
        )
        .with(Operation::new("model.list", Scope::Read, "Lists the models of every provider", list).read_only())
        .with(
            Operation::new("model.probe", Scope::Write, "Asks providers whether they answer and let us in", probe)
                .fails_with([Code::NotFound]),
        )
        .with(
            Operation::new("model.trace", Scope::Read, "Tells how a request found its model", trace)
                .read_only()
                .fails_with([Code::NotFound]),
        )
        .with(
            Operation::new("model.traces", Scope::Read, "Lists recent decisions, the newest first", traces).read_only(),
        )
}

/// The parameters of `model.trace`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TraceParams {
    /// As `model.chat` told it.
    pub trace_id: TraceId,
}

fn page(router: &Router, call: &Call, params: &ListParams) -> Result<Page<Trace>, Refusal> {
    let before = params.cursor.as_ref().map(|cursor| cursor.read::<TraceId>()).transpose()?;
    let limit = params.limit.get();
    let found = router.traces(call.org(), before, limit + 1);
    let has_more = found.len() > limit;
    let items: Vec<Trace> = found.iter().take(limit).map(|trace| (**trace).clone()).collect();
    let next_cursor = items.last().filter(|_| has_more).map(|trace| Cursor::of(&trace.id));
    Ok(Page { items, next_cursor })
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (told, retry_in) = (error.to_string(), error.retry_in());
        match error {
            Error::NotConfigured | Error::NoEmbedder => Self::conflict(told),
            Error::UnknownModel(_) => Self::not_found(told).with_field("model"),
            Error::Invalid { field, problem } => Self::invalid_field(field, problem),
            Error::NoCandidate { skipped, trace } => {
                let data = json!({ "traceId": trace, "skipped": skipped.len() });
                match retry_in {
                    Some(wait) => Self::unavailable(told).with_retry_after(wait).with_data(data),
                    None => Self::conflict(told).with_data(data),
                }
            }
            Error::Failed { target, source, retry_in, trace } => {
                let refusal = failed(&target, &source, trace);
                match retry_in.filter(|_| may_wait(&refusal)) {
                    Some(wait) => refusal.with_retry_after(wait),
                    None => refusal,
                }
            }
        }
    }
}

/// What a provider said, as a caller can act on it.
fn failed(target: &Target, error: &ProviderError, trace: TraceId) -> Refusal {
    let told = format!("{target}: {error}");
    let data = json!({
        "traceId": trace, "provider": target.provider, "model": target.model, "kind": error.kind, "status": error.status,
    });
    let refusal = match error.kind {
        ErrorKind::InvalidRequest | ErrorKind::TooLarge | ErrorKind::ContextWindowExceeded | ErrorKind::Refused => {
            Refusal::invalid_params(told)
        }
        ErrorKind::NotFound => Refusal::not_found(told).with_field("model"),
        ErrorKind::Authentication | ErrorKind::Billing | ErrorKind::Permission | ErrorKind::NotRecorded => {
            Refusal::conflict(told)
        }
        ErrorKind::UnknownPrice => Refusal::conflict(told),
        ErrorKind::BudgetExhausted => Refusal::budget_exhausted(told),
        ErrorKind::Timeout => Refusal::timeout(told),
        _ => Refusal::unavailable(told),
    };
    match error.fault().retry_in().filter(|_| may_wait(&refusal)) {
        Some(wait) => refusal.with_retry_after(wait).with_data(data),
        None => refusal.with_data(data),
    }
}

/// Who is out of money is not to knock again at once, but may be told when there will be some.
fn may_wait(refusal: &Refusal) -> bool {
    refusal.is_retryable() || refusal.code == Code::BudgetExhausted
}
