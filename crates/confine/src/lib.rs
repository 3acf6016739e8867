#![doc = include_str!("../README.md")]

mod error;
mod hiding;
mod launcher;
#[cfg(target_os = "linux")]
mod linux;
#[cfg_attr(target_os = "macos", allow(dead_code, reason = "what starts programs there is the system's own"))]
mod plan;
mod probe;
mod profile;
mod report;
mod start;

pub use error::Error;
pub use launcher::{Launcher, Mode};
pub use probe::{Attempt, Attempts, Outcome, PROBE, attempt_all};
pub use profile::profile;
pub use report::Report;
pub use start::{CONFINE, confine_and_exec};
