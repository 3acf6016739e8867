//! Daemons that share one log on PostgreSQL, with a real Redis beside it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod crossing;
mod gaps;
mod node;
mod outages;
mod streams;
