//! How long the calls of a tower service take.

mod layer;
mod service;
#[cfg(test)]
mod tests;

pub use layer::LatencyLayer;
pub use service::Latency;
