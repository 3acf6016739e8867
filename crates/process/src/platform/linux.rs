use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper, waitpid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Entry;

/// A process held by a descriptor: a signal reaches it or nobody, even if its pid is given to another process.
#[derive(Debug)]
pub(crate) struct Pinned(OwnedFd);

impl Pinned {
    /// `None` if it is gone already, or was replaced by another process with its pid.
    pub(crate) fn open(of: &Entry) -> Option<Self> {
        let descriptor = pidfd_open(Pid::from_raw(of.pid)?, PidfdFlags::empty()).ok()?;
        // Read after opening: if it is still the one we saw, the descriptor is of that one.
        entry(of.pid).filter(|now| now.start == of.start)?;
        Some(Self(descriptor))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // Gone already is what we want; another user's process stays and is reported as a survivor.
        let _ = pidfd_send_signal(&self.0, signal);
    }

    /// A future until it has ended; it may still be uncollected then. `None` if the system cannot watch it.
    /// Must be called inside a tokio runtime.
    pub(crate) fn gone(self) -> Option<BoxFuture<'static, ()>> {
        gone(self.0)
    }
}

/// Waits until all of them have ended, or `time_max` has passed.
pub(crate) fn wait_blocking(all: &[Pinned], time_max: Duration) {
    let until = Instant::now() + time_max;
    let mut waiting: Vec<&Pinned> = all.iter().collect();
    while !waiting.is_empty() {
        let mut descriptors: Vec<_> = waiting.iter().map(|one| PollFd::new(&one.0, PollFlags::IN)).collect();
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        if left.is_zero() || poll(&mut descriptors, Some(&timeout)).is_err() {
            return;
        }
        let ended: Vec<bool> = descriptors.iter().map(|one| !one.revents().is_empty()).collect();
        let mut ended = ended.iter();
        waiting.retain(|_| !ended.next().expect("one answer for each"));
    }
}

/// Returns when no process with this pid is running any more; at once if there is none.
/// One that has ended but is not collected by its parent counts as gone.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn wait_gone(pid: u32) {
    let descriptor = Pid::from_raw(pid.cast_signed()).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    if let Some(gone) = descriptor.and_then(gone) {
        gone.await;
    }
}

/// pidfd_open(2): a pidfd becomes readable when its process ends.
#[expect(
    deprecated,
    reason = "the successor is an unsafe fn, for types whose `as_raw_fd` may lie; an `OwnedFd` owns its descriptor to the end"
)]
fn gone(descriptor: OwnedFd) -> Option<BoxFuture<'static, ()>> {
    let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE).ok()?;
    Some(Box::pin(async move {
        let _ = descriptor.readable().await;
    }))
}

/// All processes that can be seen; empty without `/proc`.
pub(crate) fn snapshot() -> Vec<Entry> {
    let Ok(directory) = std::fs::read_dir("/proc") else { return Vec::new() };
    directory.filter_map(|one| entry(one.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

pub(crate) fn entry(pid: i32) -> Option<Entry> {
    parse_stat(pid, &std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5): the second field is the command in parentheses, which may itself contain blanks and parentheses.
fn parse_stat(pid: i32, stat: &[u8]) -> Option<Entry> {
    let after_command = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(&stat[after_command..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    // Field 22; the group was field 5.
    let start = fields.nth(16)?.parse().ok()?;
    let (dead, stopped) = (matches!(state, "Z" | "X" | "x"), matches!(state, "T" | "t"));
    Some(Entry { pid, parent, group, start, dead, stopped })
}

/// The value a process's environment had for `name` when its program started; `None` for other users' processes.
pub(crate) fn variable(pid: i32, name: &str) -> Option<Vec<u8>> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec))
}

pub(crate) fn set_subreaper() -> std::io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Collects one dead child.
pub(crate) fn reap(pid: i32) {
    let _ = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_confuse_the_fields() {
        let stat = b"42 (a) Z (b) T 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let expected = Entry { pid: 42, parent: 7, group: 40, start: 98_765, dead: false, stopped: true };
        assert_eq!(parse_stat(42, stat), Some(expected));
        assert_eq!(parse_stat(42, b"42 (cut"), None);
    }

    #[test]
    fn we_see_ourselves() {
        let own = std::process::id().cast_signed();
        assert_eq!(entry(own), snapshot().into_iter().find(|one| one.pid == own));
        assert!(entry(own).is_some_and(|own| !own.dead && own.start > 0));
    }
}
