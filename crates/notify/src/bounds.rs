use serde::{Deserialize, Serialize};

use crate::Error;

/// How much is sent, and how long it is tried. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bounds {
    /// How many messages a destination gets within a minute, 1 to 600; what is beyond is summed up in one. Default 6.
    pub per_minute: u32,
    /// For how long a message with the same key is not sent again, in milliseconds, up to 86,400,000; 0: it always is. Default
    /// 300,000.
    pub duplicate_ms: u64,
    /// How many messages may wait for a destination, 1 to 10,000. Default 200.
    pub queue_max: usize,
    /// How often a message is tried, 1 to 50. Default 8.
    pub attempts_max: u32,
    /// How long is waited before the second attempt, in milliseconds, 1 to 600,000; it doubles with each, less up to a quarter by
    /// chance. Default 1,000.
    pub backoff_first_ms: u64,
    /// And at most, in milliseconds, up to 3,600,000. Default 120,000.
    pub backoff_max_ms: u64,
    /// How long the other side may ask to be left alone, in milliseconds, up to 86,400,000; more is taken for that. Default
    /// 900,000.
    pub retry_after_max_ms: u64,
    /// How long an attempt may take, in milliseconds, 10 to 120,000. Default 15,000.
    pub timeout_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            per_minute: 6,
            duplicate_ms: 300_000,
            queue_max: 200,
            attempts_max: 8,
            backoff_first_ms: 1_000,
            backoff_max_ms: 120_000,
            retry_after_max_ms: 900_000,
            timeout_ms: 15_000,
        }
    }
}

impl Bounds {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first that is broken.
    pub fn validate(&self) -> Result<(), Error> {
        const DAY_MS: u64 = 86_400_000;
        let check = |key, value: u64, least: u64, most: u64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(Error::config(format!("bounds.{key}"), format!("expected {least} to {most}, got {value}"))),
        };
        check("perMinute", self.per_minute.into(), 1, 600)?;
        check("duplicateMs", self.duplicate_ms, 0, DAY_MS)?;
        check("queueMax", self.queue_max as u64, 1, 10_000)?;
        check("attemptsMax", self.attempts_max.into(), 1, 50)?;
        check("backoffFirstMs", self.backoff_first_ms, 1, 600_000)?;
        check("backoffMaxMs", self.backoff_max_ms, self.backoff_first_ms, 3_600_000)?;
        check("retryAfterMaxMs", self.retry_after_max_ms, 0, DAY_MS)?;
        check("timeoutMs", self.timeout_ms, 10, 120_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_default_and_is_checked() {
        let usual: Bounds = serde_json::from_str("{}").unwrap();
        assert_eq!((usual.validate(), &usual), (Ok(()), &Bounds::default()));
        for (json, key) in [
            (r#"{"perMinute":0}"#, "bounds.perMinute"),
            (r#"{"queueMax":0}"#, "bounds.queueMax"),
            (r#"{"backoffMaxMs":1}"#, "bounds.backoffMaxMs"),
            (r#"{"timeoutMs":1}"#, "bounds.timeoutMs"),
        ] {
            let said = serde_json::from_str::<Bounds>(json).unwrap().validate().unwrap_err().to_string();
            assert!(said.starts_with(key), "{said}");
        }
    }
}
