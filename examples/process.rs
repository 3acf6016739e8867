//! An example of orchestrator-process.

fn main() {}
