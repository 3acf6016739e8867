use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What a rate limit allows and what is left of it, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What is counted, for example `credential`.
    pub name: &'static str,
    /// The most in one window.
    pub limit: u32,
    /// The length of the window.
    pub window: Duration,
    /// How much more would be admitted now.
    pub remaining: u32,
    /// When some of what was used is given back.
    pub reset: Duration,
}

/// Where a rate limit leaves its [`Quota`] for the transport that made the call, which put the slot into the call's
/// extensions. The first one stays.
#[derive(Debug, Clone, Default)]
pub struct QuotaSlot(Arc<OnceLock<Quota>>);

impl QuotaSlot {
    /// Leaves it, if the slot is empty.
    pub fn put(&self, quota: Quota) {
        let _ = self.0.set(quota);
    }

    /// What was left, if the call was counted.
    pub fn get(&self) -> Option<Quota> {
        self.0.get().copied()
    }
}

/// In a call's extensions: its trace begins with it, so whether it is recorded is ours to decide.
#[derive(Debug, Clone, Copy)]
pub struct FreshTrace;
