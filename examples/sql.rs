//! An example of orchestrator-sql.

fn main() {}
