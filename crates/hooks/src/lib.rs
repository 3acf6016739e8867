#![doc = include_str!("../README.md")]

mod answer;
mod builtin;
mod config;
mod decision;
mod event;
mod glob;
mod handler;
mod hook;
mod hooks;
mod http;
mod info;
mod input;
#[cfg(feature = "rpc")]
mod operations;
mod program;

pub use answer::{Answer, Unreadable};
pub use builtin::Builtin;
pub use config::{Config, Custom, Http, InvalidConfig, Program, Variables};
pub use decision::{Decision, Verdict};
pub use event::{Event, UnknownEvent};
pub use glob::Glob;
pub use handler::{Failed, Handler};
pub use hook::{Hook, in_order};
pub use hooks::{Hooks, Listener, Parts, Ran};
pub use info::{HookInfo, Kind, Last, Outcome};
pub use input::{Input, ToolUse};
#[cfg(feature = "rpc")]
pub use operations::operations;
