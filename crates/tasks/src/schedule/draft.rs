use orchestrator_vocab::{Actor, Label, OrgId, ScheduleId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Overlap, Plan, Schedule, Timetable};
use crate::{Draft, Error, check};

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 200;
/// The most late instants that still create tasks.
pub const CATCH_UP_MAX: u32 = 100;
/// The longest jitter: an hour.
pub const JITTER_MS_MAX: u64 = 3_600_000;
/// The shortest catch-up window: a minute, so that a busy daemon skips nothing.
pub const WINDOW_MS_MIN: u64 = 60_000;
/// The longest catch-up window: a week.
pub const WINDOW_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// What a creator says about a schedule.
///
/// ```
/// use orchestrator_tasks::ScheduleDraft;
/// let draft: ScheduleDraft = serde_json::from_str(r#"{
///     "name": "Working days at nine",
///     "plan": {"cron": {"pattern": "0 9 * * MON-FRI", "timeZone": "Europe/Berlin"}},
///     "template": {"title": "Read the news"}
/// }"#).unwrap();
/// assert!(draft.validate("2026-01-01T00:00:00Z".parse().unwrap()).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleDraft {
    /// For people; 1 to 200 characters.
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 200), regex(pattern = check::VISIBLE)))]
    pub name: String,
    /// Its instants.
    pub plan: Plan,
    /// What each instant creates. Without `idempotencyKey`, `ref` and `dependsOnRefs`.
    pub template: Draft,
    /// What happens if the task of an earlier instant has not finished.
    #[serde(default)]
    pub overlap: Overlap,
    /// How late an instant may still be dealt with, in milliseconds: 60,000 to 604,800,000. Default 3,600,000 (an hour).
    #[serde(default = "window_ms_default")]
    #[cfg_attr(feature = "rpc", schemars(range(min = 60_000, max = 604_800_000)))]
    pub catch_up_window_ms: u64,
    /// Of the instants that are late, the newest so many still create tasks: 1 to 100. Default 1.
    #[serde(default = "catch_up_default")]
    #[cfg_attr(feature = "rpc", schemars(range(min = 1, max = 100)))]
    pub catch_up_max: u32,
    /// Each instant is put off by up to this, in milliseconds: 0 to 3,600,000. Default 0.
    #[serde(default)]
    #[cfg_attr(feature = "rpc", schemars(range(max = 3_600_000)))]
    pub jitter_ms: u64,
    /// Whether it starts resting.
    #[serde(default)]
    pub paused: bool,
    /// Creating again under the same key returns the first schedule; up to 200 characters, unique in the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 200), regex(pattern = check::VISIBLE)))]
    pub idempotency_key: Option<String>,
}

impl ScheduleDraft {
    /// A schedule with the defaults.
    pub fn new(name: impl Into<String>, plan: Plan, template: Draft) -> Self {
        Self {
            name: name.into(),
            plan,
            template,
            overlap: Overlap::default(),
            catch_up_window_ms: window_ms_default(),
            catch_up_max: catch_up_default(),
            jitter_ms: 0,
            paused: false,
            idempotency_key: None,
        }
    }

    /// Checks every limit, and that there is an instant after `now`.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that breaks one.
    pub fn validate(&self, now: Timestamp) -> Result<(), Error> {
        check::chars("name", &self.name, NAME_CHARS_MAX)?;
        let timetable = Timetable::of(&self.plan).map_err(|error| error.within("plan"))?;
        if timetable.after(now).is_none() {
            return Err(Error::invalid("plan", format!("expected an instant after {now}, there is none")));
        }
        self.template.validate().map_err(|error| error.within("template"))?;
        self.check_template()?;
        within("catchUpWindowMs", self.catch_up_window_ms, WINDOW_MS_MIN, WINDOW_MS_MAX)?;
        within("catchUpMax", self.catch_up_max.into(), 1, CATCH_UP_MAX.into())?;
        within("jitterMs", self.jitter_ms, 0, JITTER_MS_MAX)?;
        check::optional_chars("idempotencyKey", self.idempotency_key.as_ref(), check::IDEMPOTENCY_KEY_CHARS_MAX)
    }

    /// What names one task cannot stand in a template for many.
    fn check_template(&self) -> Result<(), Error> {
        let named = [
            ("template.idempotencyKey", self.template.idempotency_key.is_some()),
            ("template.ref", self.template.reference.is_some()),
            ("template.dependsOnRefs", !self.template.depends_on_refs.is_empty()),
            ("template.runAt", self.template.run_at.is_some()),
            ("template.deadline", self.template.deadline.is_some()),
        ];
        match named.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(Error::invalid(field, "a template is used for many tasks: leave it out")),
            None => Ok(()),
        }
    }

    /// The schedule, starting at `now`. Call [`validate`](Self::validate) first.
    pub fn into_schedule(self, org: OrgId, created_by: Actor, label: Label, now: Timestamp) -> Schedule {
        let mut plan = self.plan;
        let mut template = self.template;
        let reserved = std::mem::take(&mut template.reserved);
        if let Plan::Every(every) = &mut plan {
            every.anchor.get_or_insert(now);
        }
        let mut schedule = Schedule {
            id: ScheduleId::new(),
            org,
            name: self.name,
            plan,
            template,
            overlap: self.overlap,
            catch_up_window_ms: self.catch_up_window_ms,
            catch_up_max: self.catch_up_max,
            jitter_ms: self.jitter_ms,
            paused: self.paused,
            next_instant: None,
            next_at: None,
            last_instant: None,
            created_by,
            label,
            reserved,
            idempotency_key: self.idempotency_key,
            created_at: now,
            updated_at: now,
        };
        schedule.start(now);
        schedule
    }
}

fn within(field: &str, value: u64, least: u64, most: u64) -> Result<(), Error> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(Error::invalid(field, format!("expected {least} to {most}, got {value}"))),
    }
}

fn window_ms_default() -> u64 {
    3_600_000
}

fn catch_up_default() -> u32 {
    1
}
