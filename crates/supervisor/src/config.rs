use std::time::Duration;

/// When loops are restarted, and when they are given up. One setting for all loops of a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The delay before the first restart; each further one doubles it. Default 100 ms.
    pub backoff_min: Duration,
    /// The longest delay before a restart. Default 30 s.
    pub backoff_max: Duration,
    /// A loop that ran this long before it failed starts again from `backoff_min`. Default 60 s.
    pub healthy_after: Duration,
    /// How many restarts within `window` are tried before the loop is given up. Default 10.
    pub restarts_max: usize,
    /// The span in which `restarts_max` counts. Default 5 min.
    pub window: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(60),
            restarts_max: 10,
            window: Duration::from_secs(300),
        }
    }
}
