//! An example of orchestrator-redact.

fn main() {}
