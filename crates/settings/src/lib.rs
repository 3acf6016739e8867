#![doc = include_str!("../README.md")]

mod environment;
mod environment_file;
mod error;
mod file;
mod format;
mod interpolate;
mod loader;
mod merge;
mod overlay;
mod read;
mod reserved;
mod secret_file;
mod source;
mod tree;
mod variables;
#[cfg(feature = "watch")]
mod watch;

pub use environment::Environment;
pub use error::Error;
pub use loader::{Loaded, Loader};
pub use overlay::Overlay;
pub use reserved::Reserved;
pub use source::{Position, Source, Warning};
pub use variables::{Kind, Variable};
#[cfg(feature = "watch")]
pub use watch::Watch;
