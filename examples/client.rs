//! An example of orchestrator-client.

fn main() {}
