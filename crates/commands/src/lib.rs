#![doc = include_str!("../README.md")]

mod analyse;
mod analysis;
mod environment;
mod limits;
mod names;
mod options;
mod programs;
mod shell;
mod table;
mod walker;

pub use analyse::{argv, script};
pub use analysis::{Analysis, Command, Opaque, Word};
pub use environment::is_influential;
pub use limits::Limits;
