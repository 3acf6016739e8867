//! The provider against an upstream on a real socket that answers what a test says.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod answers;
mod conformance;
mod requests;
mod secrets;
mod stream;
mod upstream;

use std::sync::Arc;

use orchestrator_model_anthropic::{Anthropic, Config};
use orchestrator_vocab::SystemClock;

/// What is never to be seen.
const KEY: &str = "sk-ant-api03-never-seen";

fn config(url: &str) -> Config {
    Config { api_key: Some(KEY.into()), base_url: url.into(), ..Config::default() }
}

fn provider(config: Config) -> Anthropic {
    Anthropic::new("claude", config, Arc::new(SystemClock)).unwrap()
}
