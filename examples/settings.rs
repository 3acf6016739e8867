//! An example of orchestrator-settings.

fn main() {}
