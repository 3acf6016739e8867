//! What differs between systems. Both files offer the same names; `other` knows process groups only.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub use system::wait_gone;
pub(crate) use system::{Pinned, entry, reap, set_subreaper, snapshot, variable, wait_blocking};

/// One process, as the system's table shows it. Pid and start time together are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// In clock ticks since the machine started.
    pub(crate) start: u64,
    /// It has ended and waits to be collected by its parent.
    pub(crate) dead: bool,
    /// It is paused.
    pub(crate) stopped: bool,
}

impl Entry {
    pub(crate) fn key(&self) -> (i32, u64) {
        (self.pid, self.start)
    }
}
