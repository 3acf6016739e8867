//! An example of orchestrator-auth.

fn main() {}
