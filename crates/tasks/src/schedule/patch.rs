use orchestrator_vocab::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Every, Overlap, Plan, Schedule, ScheduleDraft};
use crate::{Draft, Error};

/// What to change about a schedule. What is absent stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchedulePatch {
    /// For people; 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its instants. A new plan starts now: nothing is caught up with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// What each instant creates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Draft>,
    /// What happens if the task of an earlier instant has not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// How late an instant may still be dealt with, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up_window_ms: Option<u64>,
    /// Of the instants that are late, the newest so many still create tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up_max: Option<u32>,
    /// Each instant is put off by up to this, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<u64>,
    /// Whether it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

impl SchedulePatch {
    /// Whether it lets the schedule rest and says nothing else.
    pub(crate) fn is_rest(&self) -> bool {
        *self == Self { paused: Some(true), ..Self::default() }
    }

    /// Writes the changes into the schedule. Returns whether its next instant has to be found anew.
    pub(crate) fn apply(&self, schedule: &mut Schedule, now: Timestamp) -> Result<bool, Error> {
        let draft = ScheduleDraft {
            name: self.name.clone().unwrap_or_else(|| schedule.name.clone()),
            // One that stays may have come to its end meanwhile; it was checked when it was given.
            plan: self.plan.clone().unwrap_or(Plan::Every(Every { interval_ms: 60_000, anchor: None })),
            template: self.template.clone().unwrap_or_else(|| schedule.template.clone()),
            overlap: self.overlap.unwrap_or(schedule.overlap),
            catch_up_window_ms: self.catch_up_window_ms.unwrap_or(schedule.catch_up_window_ms),
            catch_up_max: self.catch_up_max.unwrap_or(schedule.catch_up_max),
            jitter_ms: self.jitter_ms.unwrap_or(schedule.jitter_ms),
            paused: self.paused.unwrap_or(schedule.paused),
            idempotency_key: None,
        };
        draft.validate(now)?;
        let rest_ends = schedule.paused && !draft.paused;
        let moves = self.plan.is_some() || self.jitter_ms.is_some() || rest_ends;
        if let Some(mut plan) = self.plan.clone() {
            if let Plan::Every(every) = &mut plan {
                every.anchor.get_or_insert(now);
            }
            schedule.plan = plan;
            // A one-off that is set anew comes again.
            schedule.last_instant = None;
        }
        schedule.name = draft.name;
        schedule.template = draft.template;
        schedule.reserved.extend(std::mem::take(&mut schedule.template.reserved));
        schedule.overlap = draft.overlap;
        schedule.catch_up_window_ms = draft.catch_up_window_ms;
        schedule.catch_up_max = draft.catch_up_max;
        schedule.jitter_ms = draft.jitter_ms;
        schedule.paused = draft.paused;
        Ok(moves)
    }
}
