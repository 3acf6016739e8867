#![doc = include_str!("../README.md")]

#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod error;
mod hints;
#[cfg(feature = "http")]
pub mod http;
mod provider;
mod request;
mod scripted;
mod stream;

pub use error::{ErrorKind, ProviderError};
pub use hints::RetryHints;
pub use provider::{ListedModel, Provider};
pub use request::{Effort, Request, Thinking, Tool, ToolChoice};
pub use scripted::{Script, ScriptError, Scripted};
pub use stream::ChatStream;
