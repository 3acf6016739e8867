//! An example of orchestrator-supervisor.

fn main() {}
