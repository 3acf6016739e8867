use serde::{Deserialize, Serialize};

use crate::Error;

/// Which of several models is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The primary one, then the fallbacks in their order.
    #[default]
    Failover,
    /// The one that costs least for this request; those of unknown price last.
    Cost,
    /// The one that lately began to answer soonest; those not tried yet first.
    Latency,
    /// The least sum of its places by cost, by latency, and by requests under way.
    Balanced,
    /// Each in turn.
    RoundRobin,
}

/// What is done when a model refuses before it has said anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRefusal {
    /// That is the answer.
    #[default]
    Stop,
    /// The next model is asked; if none is left, the refusal is the answer.
    Fallback,
}

/// What an operator decides about the router. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Attempts for one request over all models, 1 to 100. Default 6.
    pub attempts_max: u32,
    /// Attempts after the first with one model, 0 to 10. Default 2, as the vendors' own clients.
    pub retries_max: u32,
    /// The longest wait that a provider can ask for, in milliseconds, up to 3,600,000; beyond it the next model is asked.
    /// Default 60,000.
    pub wait_max_ms: u64,
    /// From sending a request to its first event, in milliseconds, 1 to 3,600,000. Default 120,000.
    pub timeout_ms: u64,
    /// Between two events of an answer, in milliseconds, 1 to 3,600,000. Default 60,000.
    pub idle_timeout_ms: u64,
    /// How long a request waits for a place with a provider, in milliseconds, up to 3,600,000. Default 10,000.
    pub queue_ms: u64,
    /// How often a turn that its provider paused is continued, 0 to 100. Default 8.
    pub continuations_max: u32,
    /// Which outcomes of a provider count as recent, in milliseconds, 100 to 3,600,000. Default 60,000.
    pub health_window_ms: u64,
    /// Failures among them before a provider is left alone, 1 to 1,000. Default 5.
    pub failures_min: u32,
    /// The share of them that must be failures, over 0 to 1. Default 0.5.
    pub failure_share: f64,
    /// How long a provider is left alone first, in milliseconds, 10 to 3,600,000; doubled each time it fails again, up to 16
    /// times. Default 10,000.
    pub rest_ms: u64,
    /// Traces of decisions that are kept per organisation, 1 to 10,000. Default 200.
    pub traces_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts_max: 6,
            retries_max: 2,
            wait_max_ms: 60_000,
            timeout_ms: 120_000,
            idle_timeout_ms: 60_000,
            queue_ms: 10_000,
            continuations_max: 8,
            health_window_ms: 60_000,
            failures_min: 5,
            failure_share: 0.5,
            rest_ms: 10_000,
            traces_max: 200,
        }
    }
}

impl Limits {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), Error> {
        const HOUR_MS: u64 = 3_600_000;
        within("attemptsMax", self.attempts_max.into(), 1, 100)?;
        within("retriesMax", self.retries_max.into(), 0, 10)?;
        within("waitMaxMs", self.wait_max_ms, 0, HOUR_MS)?;
        within("timeoutMs", self.timeout_ms, 1, HOUR_MS)?;
        within("idleTimeoutMs", self.idle_timeout_ms, 1, HOUR_MS)?;
        within("queueMs", self.queue_ms, 0, HOUR_MS)?;
        within("continuationsMax", self.continuations_max.into(), 0, 100)?;
        within("healthWindowMs", self.health_window_ms, 100, HOUR_MS)?;
        within("failuresMin", self.failures_min.into(), 1, 1_000)?;
        within("restMs", self.rest_ms, 10, HOUR_MS)?;
        within("tracesMax", self.traces_max as u64, 1, 10_000)?;
        match self.failure_share > 0.0 && self.failure_share <= 1.0 {
            true => Ok(()),
            false => Err(Error::invalid("failureShare", "expected more than 0, up to 1")),
        }
    }
}

fn within(field: &'static str, given: u64, least: u64, most: u64) -> Result<(), Error> {
    match (least..=most).contains(&given) {
        true => Ok(()),
        false => Err(Error::invalid(field, format!("expected {least} to {most}, got {given}"))),
    }
}
