//! An example of orchestrator-telemetry.

fn main() {}
