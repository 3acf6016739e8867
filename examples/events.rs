//! An example of orchestrator-events.

fn main() {}
