//! Unix systems without `/proc` and pidfds. Only the process group of the program is known here; what leaves it with
//! `setsid` is not found. Noticing the program's end means collecting it, so its group's number could in theory be
//! another's by the time the rest is signalled. Not verified on any machine.

use std::time::Duration;

use futures::future::BoxFuture;
use rustix::process::{Pid, Signal, test_kill_process};

use super::Entry;

/// Never made: there is no table to find a process in.
#[derive(Debug)]
pub(crate) struct Pinned(std::convert::Infallible);

impl Pinned {
    pub(crate) fn open(_of: &Entry) -> Option<Self> {
        None
    }

    pub(crate) fn signal(&self, _signal: Signal) {
        match self.0 {}
    }

    pub(crate) fn gone(self) -> Option<BoxFuture<'static, ()>> {
        match self.0 {}
    }
}

pub(crate) fn wait_blocking(_all: &[Pinned], _time_max: Duration) {}

/// Returns when no process with this pid exists any more.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn wait_gone(pid: u32) {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else { return };
    while test_kill_process(pid).is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn snapshot() -> Vec<Entry> {
    Vec::new()
}

pub(crate) fn entry(_pid: i32) -> Option<Entry> {
    None
}

pub(crate) fn variable(_pid: i32, _name: &str) -> Option<Vec<u8>> {
    None
}

pub(crate) fn set_subreaper() -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

pub(crate) fn reap(_pid: i32) {}
