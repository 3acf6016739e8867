//! An example of orchestrator-tasks.

fn main() {}
