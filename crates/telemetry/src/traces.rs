//! Spans on their way to a collector that speaks OTLP.
//!
//! Which span belongs to which trace is told by fields, because a trace goes on where no call connects two spans: in
//! another process, after a restart, in a transaction that serves many traces at once.

mod config;
#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod http;
#[cfg(feature = "otlp")]
mod layer;
#[cfg(feature = "otlp")]
mod message;
#[cfg(test)]
#[cfg(feature = "otlp")]
mod tests;

pub use config::OtlpConfig;
#[cfg(feature = "otlp")]
pub use message::Service;

#[cfg(feature = "otlp")]
pub(crate) use export::{Exporter, start};
