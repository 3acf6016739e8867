//! An example of orchestrator-rpc.

fn main() {}
