use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::CONCURRENT_MAX;
use crate::{Error, Role};

/// What an operator decides about agents. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// How often a worker should send a heartbeat, in milliseconds, 100 to 600,000. Default 30,000.
    pub heartbeat_interval_ms: u64,
    /// How many of them it may miss before it is lost, 1 to 100. Default 3.
    pub missed_max: u32,
    /// How long a worker may be silent before it is lost, in milliseconds, 1,000 to 3,600,000. By default
    /// `heartbeatIntervalMs` times `missedMax`; set, it wins over both.
    pub heartbeat_timeout_ms: Option<u64>,
    /// How many tasks the defined agents of a type may have at once together, 0 to 10,000, in each organisation. A type
    /// that is not named has no bound of its own.
    pub max_per_type: BTreeMap<Role, u32>,
    /// How deep agents may spawn agents, 1 to 32: what a person asks for is 0 deep. Default 3.
    pub spawn_depth_max: u32,
    /// How often time is looked at, in milliseconds, 10 to 60,000. Default 1,000.
    pub sweep_ms: u64,
    /// For how many days a lost worker is remembered. Default 7.
    pub lost_days: u32,
    /// The most workers of one organisation, 1 to 10,000. Default 1,000.
    pub workers_max: usize,
    /// For how long a failure counts as recent, in milliseconds, up to a day. Default 600,000.
    pub failure_window_ms: u64,
    /// After how many failures in a row an agent gets no work for a while; 0 never. Default 5.
    pub failures_in_row_max: u32,
    /// After how long an agent that failed too often is tried again, in milliseconds, up to a day. Default 60,000.
    pub probe_ms: u64,
}

const DAY_MS: u64 = 86_400_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat_interval_ms: 30_000,
            missed_max: 3,
            heartbeat_timeout_ms: None,
            max_per_type: BTreeMap::new(),
            spawn_depth_max: 3,
            sweep_ms: 1_000,
            lost_days: 7,
            workers_max: 1_000,
            failure_window_ms: 600_000,
            failures_in_row_max: 5,
            probe_ms: 60_000,
        }
    }
}

impl Config {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), Error> {
        within("heartbeatIntervalMs", self.heartbeat_interval_ms, 100, 600_000)?;
        within("missedMax", self.missed_max.into(), 1, 100)?;
        if let Some(timeout) = self.heartbeat_timeout_ms {
            within("heartbeatTimeoutMs", timeout, 1_000, 3_600_000)?;
        }
        for most in self.max_per_type.values() {
            within("maxPerType", (*most).into(), 0, CONCURRENT_MAX.into())?;
        }
        within("spawnDepthMax", self.spawn_depth_max.into(), 1, 32)?;
        within("sweepMs", self.sweep_ms, 10, 60_000)?;
        within("workersMax", self.workers_max as u64, 1, 10_000)?;
        within("failureWindowMs", self.failure_window_ms, 1, DAY_MS)?;
        within("probeMs", self.probe_ms, 1, DAY_MS)
    }

    pub(crate) fn failure_window(&self) -> Duration {
        Duration::from_millis(self.failure_window_ms)
    }

    pub(crate) fn probe(&self) -> Duration {
        Duration::from_millis(self.probe_ms)
    }
}

#[cfg(feature = "sql")]
impl Config {
    pub(crate) fn heartbeat_timeout(&self) -> Duration {
        let missed = self.heartbeat_interval_ms.saturating_mul(self.missed_max.into());
        Duration::from_millis(self.heartbeat_timeout_ms.unwrap_or(missed))
    }

    pub(crate) fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }

    pub(crate) fn lost(&self) -> Duration {
        Duration::from_millis(u64::from(self.lost_days) * DAY_MS)
    }
}

pub(crate) fn within(field: &'static str, given: u64, least: u64, most: u64) -> Result<(), Error> {
    match (least..=most).contains(&given) {
        true => Ok(()),
        false => Err(Error::invalid(field, format!("expected {least} to {most}, got {given}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_others_are_bounded() {
        assert!(Config::default().validate().is_ok());
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
        let hasty = Config { heartbeat_timeout_ms: Some(5), ..Config::default() };
        assert_eq!(hasty.validate().unwrap_err().to_string(), "heartbeatTimeoutMs: expected 1000 to 3600000, got 5");
    }
}
