#![doc = include_str!("../README.md")]

mod driver;
mod environment;
mod error;
mod exit;
mod handle;
mod input;
mod limits;
mod marker;
mod output;
mod platform;
mod process;
mod program;
mod reader;
mod registry;
mod sandbox;
mod spec;
mod strays;
mod tree;

pub use environment::Environment;
pub use error::Error;
pub use exit::{Exit, Status};
pub use handle::Handle;
pub use input::Input;
pub use limits::{Limits, OverOutput};
pub use output::{Framing, Output, Stream};
pub use platform::wait_gone;
pub use process::Process;
pub use registry::become_subreaper;
pub use sandbox::{Confine, Host, Mode, Network, ResourceLimits, Sandbox, Unconfined};
pub use spec::{Spec, Stdin};
pub use strays::{Stray, end_strays};
