//! The examples are the files beside this one: `cargo run -p orchestrator-examples --example tasks`.
