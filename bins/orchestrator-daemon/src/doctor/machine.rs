//! What the machine gives: room, time, open files.

use std::fs;
use std::path::Path;

use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};
use rustix::process::{Resource, getrlimit};

use super::Finding;
use super::finding::size;

const MIB: u64 = 1024 * 1024;
/// A database in WAL mode and a backup want more than this.
const FREE_MIN: u64 = 64 * MIB;
const FREE_GOOD: u64 = 1024 * MIB;
const INODES_MIN: u64 = 1_000;
/// 2025-01-01: a clock before it has never been set. In milliseconds since 1970.
const PAST: i64 = 1_735_689_600_000;
/// Files are never this much younger than now, unless the clock was set back. In milliseconds.
const FUTURE_MAX: i64 = 60_000;
/// Leases and tokens suffer from more; in milliseconds.
const SKEW_GOOD: u64 = 1_000;
const SKEW_MAX: u64 = 10_000;
/// The database, the log, the listener, programs of agents.
const FILES_OWN: u64 = 256;

/// Room where the data is, or will be.
pub(crate) fn disk(path: &Path) -> Finding {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let stat = match rustix::fs::statvfs(there) {
        Ok(stat) => stat,
        Err(error) => {
            let found = format!("cannot tell how much room there is at {}: {error}", there.display());
            return Finding::warning("disk", found, "look with df");
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} free at {}", size(free), there.display());
    let remedy = "make room, shorten events.retentionDays and tasks.retentionDays, or move daemon.dataDir";
    // Some file systems do not count files, and say 0 of 0.
    let has_inodes = stat.f_files == 0 || stat.f_favail >= INODES_MIN;
    match free {
        _ if !has_inodes => Finding::failure("disk", format!("{found}, for {} more files", stat.f_favail), remedy),
        0..FREE_MIN => Finding::failure("disk", found, remedy),
        FREE_MIN..FREE_GOOD => Finding::warning("disk", found, remedy),
        _ => Finding::ok("disk", found),
    }
}

/// Whether the clock can be right: it is not in the past, and what is in the data directory is not in its future.
pub(super) fn clock(data: &Path) -> Finding {
    let now = SystemClock.now();
    let remedy = "set the clock and keep it by NTP (timedatectl set-ntp true): leases, schedules and tokens go by it";
    if now.millis() < PAST {
        return Finding::failure("clock", format!("it says {now}, which is in the past"), remedy);
    }
    match newest(data) {
        Some(newest) if newest.millis() - now.millis() > FUTURE_MAX => Finding::failure(
            "clock",
            format!("it says {now}, but the data was written at {newest}: it went back"),
            remedy,
        ),
        _ => Finding::ok("clock", format!("it says {now}")),
    }
}

fn newest(directory: &Path) -> Option<Timestamp> {
    let files = fs::read_dir(directory).ok()?.flatten().filter_map(|entry| entry.metadata().ok()?.modified().ok());
    let since = files.max()?.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp(i64::try_from(since.as_millis()).ok()?))
}

/// Between this machine's clock and another, such as the database server's.
pub(crate) fn skew(check: &'static str, theirs: Timestamp, ours: Timestamp) -> Finding {
    let apart = theirs.millis().abs_diff(ours.millis());
    let found = format!("{apart} ms between its clock ({theirs}) and this machine's");
    let remedy = "keep both clocks by NTP: leases are judged by the server's clock, tokens by this machine's";
    if apart <= SKEW_GOOD {
        Finding::ok(check, found)
    } else if apart <= SKEW_MAX {
        Finding::warning(check, found, remedy)
    } else {
        Finding::failure(check, found, remedy)
    }
}

/// Every connection is an open file.
pub(super) fn descriptors(connections_max: usize) -> Finding {
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return Finding::ok("open files", "no limit");
    };
    let wanted = u64::try_from(connections_max).unwrap_or(u64::MAX).saturating_add(FILES_OWN);
    let found = format!("{limit} files may be open; gateway.connectionsMax is {connections_max}");
    let remedy = format!("LimitNOFILE={wanted} in the unit, `ulimit -n {wanted}`, or a smaller gateway.connectionsMax");
    match limit {
        0..FILES_OWN => Finding::failure("open files", found, remedy),
        _ if limit < wanted => Finding::warning("open files", found, remedy),
        _ => Finding::ok("open files", found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn clocks_apart_are_told_by_how_much_it_matters() {
        let of = |theirs: i64| skew("clock", Timestamp(100_000 + theirs), Timestamp(100_000)).severity;
        assert_eq!(
            [of(0), of(-1_000), of(1_001), of(-10_000), of(10_001)],
            [Severity::Ok, Severity::Ok, Severity::Warning, Severity::Warning, Severity::Failure]
        );
    }
}
