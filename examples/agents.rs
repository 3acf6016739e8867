//! An example of orchestrator-agents.

fn main() {}
