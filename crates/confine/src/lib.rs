#![doc = include_str!("../README.md")]

mod confinement;
mod error;
#[cfg(target_os = "linux")]
mod handing;
mod hiding;
mod hosts;
mod launcher;
#[cfg(target_os = "linux")]
mod linux;
#[cfg_attr(target_os = "macos", allow(dead_code, reason = "what starts programs there is the system's own"))]
mod plan;
mod probe;
mod profile;
mod report;
mod sandboxes;
mod start;

pub use confinement::Confinement;
pub use error::Error;
pub use hosts::PROXY_PORT;
pub use launcher::Launcher;
pub use probe::{Attempt, Attempts, Beyond, Outcome, PROBE, attempt_all};
pub use profile::profile;
pub use report::Report;
pub use sandboxes::Sandboxes;
pub use start::{CONFINE, confine_and_exec};
