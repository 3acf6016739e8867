use orchestrator_vocab::Timestamp;
use serde::{Deserialize, Serialize};

/// The instants of a schedule. In JSON an object with one field: `cron`, `every` or `at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// The times of a cron pattern.
    Cron(Cron),
    /// Again and again at the same distance.
    Every(Every),
    /// Once.
    At(Timestamp),
}

/// A cron pattern in a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cron {
    /// Five to seven fields: (second) minute hour day-of-month month day-of-week (year). Names such as `MON-FRI` and `JAN`,
    /// ranges, steps, `L` for the last day, `MON#2` for the second Monday, `15W` for the nearest working day, and `@daily`
    /// and its like. If both day fields are restricted, either is enough; with `+` before the day of the week both are needed.
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 256)))]
    pub pattern: String,
    /// An IANA name such as `Europe/Berlin`. Default `UTC`.
    ///
    /// When clocks are set forward, a pattern with one time of day runs right after the gap; one with many times leaves out
    /// those that do not exist. When they are set back, one time of day runs once, at its first occurrence; many run in both hours.
    #[serde(default = "utc")]
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 64)))]
    pub time_zone: String,
}

/// A distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Every {
    /// The distance in milliseconds, 1,000 (a second) to 31,622,400,000 (366 days).
    #[cfg_attr(feature = "rpc", schemars(range(min = 1_000, max = 31_622_400_000u64)))]
    pub interval_ms: u64,
    /// An instant to count from, in the past or in the future; none before it. Default: when the schedule is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Timestamp>,
}

fn utc() -> String {
    "UTC".into()
}
