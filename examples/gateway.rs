//! An example of orchestrator-gateway.

fn main() {}
