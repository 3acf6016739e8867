use orchestrator_vocab::OrgId;

/// The names of everything we have in Redis. Those of two logs never meet, even with one prefix.
#[derive(Debug)]
pub(crate) struct Keys {
    base: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str, log_id: &str) -> Self {
        Self { base: format!("{prefix}:{log_id}") }
    }

    /// The stream of an organisation's newest events.
    pub(crate) fn stream(&self, org: OrgId) -> String {
        format!("{}:events:{org}", self.base)
    }

    /// The channel of everything that is said once.
    pub(crate) fn channel(&self) -> String {
        format!("{}:live", self.base)
    }
}
