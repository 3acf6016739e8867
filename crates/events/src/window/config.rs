use std::time::Duration;

use serde::{Deserialize, Serialize};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// The bounds of offline windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WindowsConfig {
    /// How many undelivered events a subscriber that comes back gets, the newest ones. 1 to 100,000; default 1,000. Also
    /// how many may be unacknowledged before nothing new is sent.
    pub events_max: usize,
    /// For how many days a window waits for its subscriber, and how old an event it keeps may be. 1 to 365; default 7.
    pub days: u32,
    /// After how many milliseconds an event that has to be acknowledged is sent again. 10 to 3,600,000; default 30,000.
    pub redeliver_after_ms: u64,
    /// How often positions are written, in milliseconds: what a crash may deliver twice. 10 to 60,000; default 1,000.
    pub save_every_ms: u64,
    /// Windows of one subject; beyond that its oldest ones go. 1 to 1,000,000; default 2,000.
    pub per_subject_max: u32,
    /// Windows of one organisation; beyond that its oldest ones go. 1 to 1,000,000; default 10,000.
    pub per_org_max: u32,
}

/// A bound of windows is out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
pub struct InvalidWindowsConfig {
    /// Its name in the configuration.
    pub field: &'static str,
    /// Its range.
    pub expected: &'static str,
}

impl Default for WindowsConfig {
    fn default() -> Self {
        Self {
            events_max: 1_000,
            days: 7,
            redeliver_after_ms: 30_000,
            save_every_ms: 1_000,
            per_subject_max: 2_000,
            per_org_max: 10_000,
        }
    }
}

impl WindowsConfig {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`InvalidWindowsConfig`] names the field; fix it.
    pub fn validate(&self) -> Result<(), InvalidWindowsConfig> {
        let windows = 1..=1_000_000;
        let checks = [
            ((1..=100_000).contains(&self.events_max), "eventsMax", "1 to 100000"),
            ((1..=365).contains(&self.days), "days", "1 to 365"),
            ((10..=3_600_000).contains(&self.redeliver_after_ms), "redeliverAfterMs", "10 to 3600000"),
            ((10..=60_000).contains(&self.save_every_ms), "saveEveryMs", "10 to 60000"),
            (windows.contains(&self.per_subject_max), "perSubjectMax", "1 to 1000000"),
            (windows.contains(&self.per_org_max), "perOrgMax", "1 to 1000000"),
        ];
        match checks.into_iter().find(|(is_right, ..)| !is_right) {
            Some((_, field, expected)) => Err(InvalidWindowsConfig { field, expected }),
            None => Ok(()),
        }
    }

    pub(crate) fn age_max(&self) -> Duration {
        Duration::from_secs(u64::from(self.days) * SECONDS_PER_DAY)
    }

    pub(crate) fn redeliver_after(&self) -> Duration {
        Duration::from_millis(self.redeliver_after_ms)
    }

    pub(crate) fn save_every(&self) -> Duration {
        Duration::from_millis(self.save_every_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_range() {
        WindowsConfig::default().validate().unwrap();
        let wrong = [
            WindowsConfig { events_max: 0, ..WindowsConfig::default() },
            WindowsConfig { days: 366, ..WindowsConfig::default() },
            WindowsConfig { redeliver_after_ms: 9, ..WindowsConfig::default() },
            WindowsConfig { save_every_ms: 60_001, ..WindowsConfig::default() },
            WindowsConfig { per_subject_max: 0, ..WindowsConfig::default() },
            WindowsConfig { per_org_max: 0, ..WindowsConfig::default() },
        ];
        let fields = wrong.map(|config| config.validate().unwrap_err().field);
        assert_eq!(fields, ["eventsMax", "days", "redeliverAfterMs", "saveEveryMs", "perSubjectMax", "perOrgMax"]);
    }
}
