#![doc = include_str!("../README.md")]

mod error;
mod latency;
mod line_writer;
mod log_file;
mod logging;
mod metrics;
mod redaction;
mod trace_context;
mod traces;

pub use error::Error;
pub use latency::{Latency, LatencyLayer};
pub use log_file::Rotation;
#[cfg(feature = "otlp")]
pub use logging::init_with_traces;
pub use logging::{Config, Format, Guard, Level, init};
pub use metrics::{Counter, Description, Gauge, Histogram, Metrics};
pub use redaction::Redaction;
pub use trace_context::{InvalidTraceContext, TraceContext};
pub use traces::OtlpConfig;
#[cfg(feature = "otlp")]
pub use traces::Service;
