//! Models of the vendors through the socket: whole conversations against a server that speaks like them, and one whose faults
//! are written down.

mod aimock;
mod anthropic;
mod asking;
mod cassette;
mod counting;
mod environment;
mod openai;
mod sessions;
mod upstream;
mod weather;

use orchestrator_testkit::{Builder, Daemon};
use serde_json::json;

/// A daemon that asks models of which nobody knows what they cost, as those here are.
fn builder() -> Builder {
    Daemon::builder().config(json!({ "budget": { "unknownPriceCeiling": "10" } }))
}
