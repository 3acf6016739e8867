//! How much memory the daemon uses: the one place that asks the platform.

/// Resident memory in bytes; `None` where the platform is not Linux or does not say.
pub(crate) fn resident_bytes() -> Option<u64> {
    // proc(5): the second number of statm is the resident set, in pages.
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
