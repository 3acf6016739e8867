//! The daemon's program, which is installed beside this one.

use std::path::PathBuf;

use crate::failure::Failure;

const DAEMON: &str = "orchestrator-daemon";

/// # Errors
/// It is not there.
pub(crate) fn daemon() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().and_then(|own| own.canonicalize());
    let beside = own.ok().and_then(|own| Some(own.parent()?.join(DAEMON))).filter(|program| program.is_file());
    beside.ok_or_else(|| Failure::failed(format!("there is no {DAEMON} beside this program")))
}
