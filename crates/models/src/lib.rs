#![doc = include_str!("../README.md")]

mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod decide;
mod embedding;
mod error;
mod facts;
mod failure;
mod fault;
mod health;
mod hints;
#[cfg(feature = "http")]
pub mod http;
pub mod layers;
#[cfg(feature = "rpc")]
mod operations;
mod pool;
mod provider;
mod request;
mod retry;
mod router;
mod scripted;
mod stream;
mod thrift;
mod trace;

pub use config::{Limits, OnRefusal, Strategy};
pub use decide::{Needs, Skip};
pub use embedding::{EmbedLimits, EmbedRequest, Embeddings};
pub use error::{ErrorKind, ProviderError};
pub use facts::{Facts, LongPrice, Price};
pub use failure::Error;
pub use fault::Fault;
pub use hints::RetryHints;
#[cfg(feature = "rpc")]
pub use operations::{
    ChatMessage, ChatParams, ChatResult, ChatText, ChatThinking, ChatTool, ChatToolChoice, EmbedParams, EmbedResult,
    KnownModel, ModelList, ProbeParams, Probed, Probes, ProviderFailure, TraceParams, operations,
};
pub use pool::{Member, ProviderHealth, ProviderStatus, Target};
pub use provider::{ListedModel, Provider};
pub use request::{Attribution, Effort, Request, Thinking, Tool, ToolChoice};
pub use router::{Answer, Ask, EmbedAsk, Embedded, Listener, Parts, Router};
pub use scripted::{Script, ScriptError, Scripted};
pub use stream::ChatStream;
pub use thrift::{Instead, Thrift};
pub use trace::{Ability, Attempted, Considered, DecisionKind, Degraded, Failure, Outcome, Trace, TraceId};
