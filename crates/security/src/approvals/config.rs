use serde::{Deserialize, Serialize};

use crate::{InvalidConfig, Requesters};

/// What an operator decides about approvals. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApprovalsConfig {
    /// How long people are waited for where no rule says otherwise, in milliseconds, 1,000 to 604,800,000 (a week); then the call is
    /// denied. Default 3,600,000 (an hour).
    pub timeout_ms: u64,
    /// How many calls of one organisation may wait at once, 1 to 100,000; what is more is denied. Default 1,000.
    pub waiting_max: u64,
    /// Whether those who wanted a task may confirm what is done for it. Default `false`.
    pub requester_may_approve: bool,
    /// How many bytes of a call's arguments are shown, 256 to 1,048,576. Default 65,536.
    pub arguments_bytes_max: usize,
    /// For how many days answered ones are kept, 1 to 3,650. Default 90.
    pub retention_days: u32,
}

impl Default for ApprovalsConfig {
    fn default() -> Self {
        Self {
            timeout_ms: 3_600_000,
            waiting_max: 1_000,
            requester_may_approve: false,
            arguments_bytes_max: 65_536,
            retention_days: 90,
        }
    }
}

impl ApprovalsConfig {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first that is broken.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let check = |holds: bool, field, problem| if holds { Ok(()) } else { Err(InvalidConfig { field, problem }) };
        check((1_000..=604_800_000).contains(&self.timeout_ms), "timeoutMs", "expected 1000 to 604800000")?;
        check((1..=100_000).contains(&self.waiting_max), "waitingMax", "expected 1 to 100000")?;
        let bytes = 256..=1 << 20;
        check(bytes.contains(&self.arguments_bytes_max), "argumentsBytesMax", "expected 256 to 1048576")?;
        check((1..=3_650).contains(&self.retention_days), "retentionDays", "expected 1 to 3650")
    }

    pub(crate) const fn requesters(&self) -> Requesters {
        if self.requester_may_approve { Requesters::Included } else { Requesters::Excluded }
    }
}
