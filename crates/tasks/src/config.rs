use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Error, Strategy, check};

/// What an operator decides about the backlog. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// How long a claim holds unless it is renewed, in milliseconds, 1,000 to 3,600,000. Default 15,000.
    pub lease_ms: u64,
    /// After how many attempts a failure is final, unless the task says otherwise. Default 3.
    pub max_attempts: u32,
    /// How long a task waits between attempts.
    pub backoff: Backoff,
    /// How much waiting one point of priority is worth, in milliseconds. Default 6,000: a task waits behind at most those
    /// that became ready less than 450 s after it.
    pub ageing_step_ms: u64,
    /// How the scheduler chooses among the agents that can do a task.
    pub strategy: Strategy,
    /// How many tasks of one concurrency key may be claimable or in progress at once.
    pub concurrency: Concurrency,
    /// How often time is looked at (leases, `runAt`, deadlines, schedules) and how long a missed wake-up of the scheduler
    /// can go unnoticed, in milliseconds, 10 to 60,000. Default 1,000.
    pub sweep_ms: u64,
    /// How many rows one transaction of a sweep takes, 1 to 10,000. Default 500.
    pub sweep_rows_max: usize,
    /// How many ready tasks of one class the scheduler looks at in one round, 1 to 10,000. Default 1,000.
    pub round_tasks_max: usize,
    /// For how many days finished and deleted tasks are kept; `null` for ever. Default 30.
    pub retention_days: Option<u32>,
}

/// Limits of concurrency keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Concurrency {
    /// For keys that are not named. Default 1.
    pub default: u32,
    /// For single keys.
    pub keys: BTreeMap<String, u32>,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { default: 1, keys: BTreeMap::new() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease_ms: 15_000,
            max_attempts: 3,
            backoff: Backoff::default(),
            ageing_step_ms: 6_000,
            strategy: Strategy::default(),
            concurrency: Concurrency::default(),
            sweep_ms: 1_000,
            sweep_rows_max: 500,
            round_tasks_max: 1_000,
            retention_days: Some(30),
        }
    }
}

impl Config {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), Error> {
        within("leaseMs", self.lease_ms, 1_000, 3_600_000)?;
        check::attempts("maxAttempts", self.max_attempts)?;
        self.backoff.validate().map_err(|problem| Error::invalid("backoff", problem))?;
        within("ageingStepMs", self.ageing_step_ms, 0, 3_600_000)?;
        within("sweepMs", self.sweep_ms, 10, 60_000)?;
        within("sweepRowsMax", self.sweep_rows_max as u64, 1, 10_000)?;
        within("roundTasksMax", self.round_tasks_max as u64, 1, 10_000)?;
        let limits = self.concurrency.keys.values().chain([&self.concurrency.default]);
        match limits.copied().any(|limit| limit == 0) {
            true => {
                Err(Error::invalid("concurrency", "a limit of 0 would hold its tasks for ever: expected 1 or more"))
            }
            false => Ok(()),
        }
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    pub(crate) fn ageing_step(&self) -> Duration {
        Duration::from_millis(self.ageing_step_ms)
    }

    pub(crate) fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }

    pub(crate) fn slots_of(&self, concurrency_key: &str) -> u32 {
        self.concurrency.keys.get(concurrency_key).copied().unwrap_or(self.concurrency.default)
    }
}

fn within(field: &str, given: u64, least: u64, most: u64) -> Result<(), Error> {
    match (least..=most).contains(&given) {
        true => Ok(()),
        false => Err(Error::invalid(field, format!("expected {least} to {most}, got {given}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed() {
        assert!(Config::default().validate().is_ok());
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    }

    #[test]
    fn what_would_stand_still_is_refused() {
        let refused = |config: Config| config.validate().unwrap_err().to_string();
        assert_eq!(refused(Config { lease_ms: 1, ..Config::default() }), "leaseMs: expected 1000 to 3600000, got 1");
        let concurrency = Concurrency { default: 0, ..Concurrency::default() };
        assert!(refused(Config { concurrency, ..Config::default() }).starts_with("concurrency: a limit of 0"));
    }
}
