//! The operations `task.*` and `schedule.*`.

mod dependencies;
mod error;
mod owners;
mod schedules;
mod tasks;
mod views;

use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_rpc::{Call, Table};

pub use self::views::{ClaimView, CompletedItem, Deleted, Items, Lease};
use crate::{Backlog, Binding, Origin, Workforce};

/// What the handlers share.
#[derive(Clone)]
struct Desk {
    backlog: Backlog,
    workforce: Arc<dyn Workforce>,
    log: Arc<dyn Log>,
}

/// The operations over one backlog. `workforce` says who may claim, `log` is where the backlog's events are found.
pub fn operations(backlog: Backlog, workforce: Arc<dyn Workforce>, log: Arc<dyn Log>) -> Table {
    let desk = Desk { backlog, workforce, log };
    tasks::operations(&desk)
        .merge(dependencies::operations(&desk))
        .merge(owners::operations(&desk))
        .merge(schedules::operations(&desk))
}

/// What a caller asks for comes from it, with the label of what made it ask: the words of a stranger stay a stranger's. A
/// `Arc<dyn Binding>` among the call's extensions holds for what comes of it.
impl From<&Call> for Origin {
    fn from(call: &Call) -> Self {
        Self {
            correlation: Some(call.correlation.clone()),
            traceparent: call.traceparent.clone(),
            label: call.label(),
            binding: call.extensions.get::<Arc<dyn Binding>>().cloned(),
            ..Self::new(call.org(), call.actor())
        }
    }
}
