//! People who are asked about calls, and the gate that asks them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod approvals;
mod gate;
mod stage;
