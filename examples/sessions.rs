//! An example of orchestrator-sessions.

fn main() {}
