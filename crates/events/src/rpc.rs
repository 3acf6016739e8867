use std::sync::Arc;

use orchestrator_rpc::page::{Cursor, Limit, Page};
use orchestrator_rpc::{Call, Error, Operation, Scope, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Event, Filter, InvalidFilter, Log, Order, Query};

/// How many stored events one call looks at; if none of them fit, the page is empty but has a cursor.
const SCANNED_MAX: usize = 10_000;

/// The parameters of `event.list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListParams {
    /// Patterns of names, such as `task.*`; all events if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(max = 256), regex(pattern = r"^(\*\*?|[A-Za-z0-9_-]+)(\.(\*|[A-Za-z0-9_-]+))*$"))
    )]
    pub events: Option<Vec<String>>,
    /// Only events about this one thing, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Only events with a number above this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// The newest first, instead of the oldest.
    #[serde(default)]
    pub newest_first: bool,
    /// How many at most.
    #[serde(default)]
    pub limit: Limit,
    /// Where to go on: `nextCursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// The operation `event.list` over a log.
pub fn operations(log: Arc<dyn Log>) -> Table {
    let list = move |call: Call, params: ListParams| {
        let log = log.clone();
        async move { list(&*log, &call, params).await }
    };
    Table::new().with(Operation::new("event.list", Scope::Read, "Lists stored events", list).read_only())
}

async fn list(log: &dyn Log, call: &Call, params: ListParams) -> Result<Page<Event>, Error> {
    let filter = params.events.map_or(Ok(Filter::everything()), Filter::parse).map_err(invalid)?;
    let mut at: Option<u64> = params.cursor.map(|cursor| cursor.read()).transpose()?;
    let order = if params.newest_first { Order::NewestFirst } else { Order::OldestFirst };
    let mut page = Page { items: Vec::new(), next_cursor: None };
    let mut scanned = 0;
    while page.items.len() < params.limit.get() && scanned < SCANNED_MAX {
        let (after, before) = match order {
            Order::OldestFirst => (at.or(params.after_seq), None),
            Order::NewestFirst => (params.after_seq, at),
        };
        let query = Query { after, before, subject: params.subject.clone(), order, limit: params.limit.get() };
        let found = log.query(call.org(), query).await.map_err(Error::internal)?;
        let Some(last) = found.last() else { return Ok(page) };
        scanned += found.len();
        at = Some(last.seq);
        for event in found {
            if page.items.len() == params.limit.get() {
                break;
            }
            at = Some(event.seq);
            if filter.matches(&event.name, &event.payload) {
                page.items.push(Event::clone(&event));
            }
        }
    }
    page.next_cursor = at.map(|seq| Cursor::of(&seq));
    Ok(page)
}

fn invalid(error: InvalidFilter) -> Error {
    Error::invalid_params(error.to_string()).with_field("events")
}
