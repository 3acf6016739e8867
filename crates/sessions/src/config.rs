use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What an operator decides about sessions. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The most active sessions of this daemon, 1 to 100,000. Default 100.
    pub max_active: usize,
    /// How often a session says that it still works on its task, in milliseconds, 10 to 600,000. Default 5,000, a third
    /// of the backlog's lease.
    pub heartbeat_ms: u64,
    /// The shortest time between two reports of progress, in milliseconds, up to 60,000. Default 500.
    pub progress_ms: u64,
    /// The longest pause between attempts to reach the backlog or the store, in milliseconds, 1 to 60,000. Default 5,000.
    pub retry_max_ms: u64,
    /// How long a program may take to end when a draining daemon hands its task back, in milliseconds, up to 600,000.
    /// Default 2,000; a program's own grace counts if it is shorter.
    pub hand_back_grace_ms: u64,
    /// How long a journaled session may give no sign of life before it is told to end, in milliseconds, 10 to 604,800,000 (a
    /// week). Default 600,000.
    pub stall_ms: u64,
    /// What becomes of its task then. Default `fail`.
    pub on_stall: OnStall,
    /// The largest entry of a journal, as JSON in bytes, 1,024 to 67,108,864. Default 8,388,608.
    pub entry_bytes_max: usize,
}

/// What becomes of the task of a session that gave no sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStall {
    /// The attempt has failed, and the session with it: one that stalls each time comes to an end.
    #[default]
    Fail,
    /// It goes back and no attempt is spent; the session goes on from its journal.
    Release,
}

/// Which daemon this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name among the daemons that share a database; the same after a restart.
    pub name: String,
    /// Rises with each start: the node's epoch, or the time of the start in milliseconds.
    pub epoch: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_active: 100,
            heartbeat_ms: 5_000,
            progress_ms: 500,
            retry_max_ms: 5_000,
            hand_back_grace_ms: 2_000,
            stall_ms: 600_000,
            on_stall: OnStall::Fail,
            entry_bytes_max: 8 * 1024 * 1024,
        }
    }
}

impl Config {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), Error> {
        within("maxActive", self.max_active as u64, 1, 100_000)?;
        within("heartbeatMs", self.heartbeat_ms, 10, 600_000)?;
        within("progressMs", self.progress_ms, 0, 60_000)?;
        within("retryMaxMs", self.retry_max_ms, 1, 60_000)?;
        within("handBackGraceMs", self.hand_back_grace_ms, 0, 600_000)?;
        within("stallMs", self.stall_ms, 10, 604_800_000)?;
        within("entryBytesMax", self.entry_bytes_max as u64, 1_024, 64 * 1024 * 1024)
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(crate) fn progress(&self) -> Duration {
        Duration::from_millis(self.progress_ms)
    }

    pub(crate) fn retry_max(&self) -> Duration {
        Duration::from_millis(self.retry_max_ms)
    }

    pub(crate) fn stall(&self) -> Duration {
        Duration::from_millis(self.stall_ms)
    }

    pub(crate) fn hand_back_grace(&self) -> Duration {
        Duration::from_millis(self.hand_back_grace_ms)
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
        let none = Config { max_active: 0, ..Config::default() };
        assert_eq!(none.validate().unwrap_err().to_string(), "maxActive: expected 1 to 100000, got 0");
    }
}
