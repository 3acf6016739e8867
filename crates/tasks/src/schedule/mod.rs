//! When a schedule's tasks are due. Pure: whoever keeps the schedules asks, and acts on the answer.

mod draft;
mod due;
mod overlap;
mod patch;
mod plan;
#[cfg(test)]
mod tests;
mod timetable;

use orchestrator_vocab::{Actor, Label, OrgId, ScheduleId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use draft::{CATCH_UP_MAX, JITTER_MS_MAX, ScheduleDraft, WINDOW_MS_MAX, WINDOW_MS_MIN};
pub use due::{Due, Missed};
pub use overlap::{Firing, Overlap, QUEUED_MAX};
pub use patch::SchedulePatch;
pub use plan::{Cron, Every, Plan};
pub(crate) use timetable::Timetable;

use crate::Draft;

/// A plan that creates tasks: once, at an interval, or at the times of a cron pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Its name for good.
    pub id: ScheduleId,
    /// Whose it is.
    #[serde(rename = "orgId")]
    pub org: OrgId,
    /// For people; 1 to 200 characters.
    pub name: String,
    /// Its instants.
    pub plan: Plan,
    /// What each instant creates.
    pub template: Draft,
    /// What happens if the task of an earlier instant has not finished.
    pub overlap: Overlap,
    /// How late an instant may still be dealt with, in milliseconds. Those that are later are skipped.
    pub catch_up_window_ms: u64,
    /// Of the instants that are late, the newest so many still create tasks.
    pub catch_up_max: u32,
    /// Each instant is put off by up to this, in milliseconds; always the same for the same instant.
    pub jitter_ms: u64,
    /// Whether it rests. What falls into a rest is not caught up with.
    pub paused: bool,
    /// The first instant that has not been dealt with; none if the plan has come to its end.
    pub next_instant: Option<Timestamp>,
    /// When that instant is due: with its jitter. Stores index this.
    pub next_at: Option<Timestamp>,
    /// The last instant that created a task.
    pub last_instant: Option<Timestamp>,
    /// Who made it.
    pub created_by: Actor,
    /// Where its texts came from; its tasks inherit it.
    pub label: Label,
    /// What the daemon notes in the metadata of its tasks, under keys that begin with `daemon.`.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub reserved: Map<String, Value>,
    /// Makes creation repeatable: unique within the organisation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idempotency_key: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed; firing counts.
    pub updated_at: Timestamp,
}

impl Schedule {
    /// When an instant is due: put off by its jitter.
    pub fn due_at(&self, instant: Timestamp) -> Timestamp {
        let fraction = crate::backoff::fraction(self.id.uuid().as_u128(), instant.millis());
        Timestamp(instant.millis().saturating_add((fraction * self.jitter_ms as f64) as i64))
    }

    /// Makes `instant` the next to be dealt with.
    pub fn continue_at(&mut self, instant: Option<Timestamp>) {
        self.next_instant = instant;
        self.next_at = instant.map(|instant| self.due_at(instant));
    }

    /// Starts anew: the next instant is the first after `now`. For a new plan, and for the end of a rest.
    ///
    /// A one-off that has not been dealt with stays due, however late it is.
    pub fn start(&mut self, now: Timestamp) {
        let next = match &self.plan {
            Plan::At(at) => self.last_instant.is_none().then_some(*at),
            plan => Timetable::of(plan).ok().and_then(|timetable| timetable.after(now)),
        };
        self.continue_at(next);
    }
}
