use std::fs;
use std::os::unix::fs::MetadataExt as _;

use orchestrator_process::ResourceLimits;
use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit};

use super::refused;
use crate::Error;

/// What is inherited by all that is started from here. No dump of memory is ever written.
pub(super) fn restrict(limits: &ResourceLimits) -> Result<(), Error> {
    limit(Resource::Core, Some(0))?;
    // Not the address space: programs reserve much more of it than they use.
    limit(Resource::Data, limits.memory_bytes)?;
    limit(Resource::Nofile, limits.open_files)?;
    limit(Resource::Fsize, limits.file_size_bytes)?;
    limit(Resource::Nproc, limits.processes.and_then(with_those_that_run))
}

fn limit(resource: Resource, at_most: Option<u64>) -> Result<(), Error> {
    let Some(at_most) = at_most else { return Ok(()) };
    // Lowering is everybody's right, raising is not.
    let at_most = getrlimit(resource).maximum.map_or(at_most, |maximum| maximum.min(at_most));
    setrlimit(resource, Rlimit { current: Some(at_most), maximum: Some(at_most) })
        .map_err(refused("limiting resources"))
}

/// The system counts all threads of a user, so that those count which are there. Root's are never counted: the tree of processes
/// is, by `orchestrator_process`.
fn with_those_that_run(processes: u64) -> Option<u64> {
    let user = getuid();
    if user.is_root() {
        return None;
    }
    let threads = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        let is_ours = entry.metadata().ok()?.uid() == user.as_raw();
        is_ours.then(|| fs::read_dir(entry.path().join("task")).map_or(1, Iterator::count))
    });
    Some(processes.saturating_add(u64::try_from(threads.sum::<usize>()).unwrap_or(u64::MAX)))
}
