//! A backlog that takes what it is told, for examples that are about something else.

use async_trait::async_trait;
use orchestrator_sessions::{Answer, Lease, Work, WorkError};
use orchestrator_vocab::{Label, Timestamp};
use serde_json::Value;

/// Prints what came of a task.
pub(crate) struct Quiet;

#[async_trait]
impl Work for Quiet {
    async fn heartbeat(&self, _: &Lease, _: Option<Value>) -> Result<Answer, WorkError> {
        Ok(Answer::Accepted)
    }

    async fn complete(&self, _: &Lease, result: Value, _: Label) -> Result<Answer, WorkError> {
        println!("completed with {result}");
        Ok(Answer::Accepted)
    }

    async fn fail(&self, _: &Lease, error: String) -> Result<Answer, WorkError> {
        println!("failed: {error}");
        Ok(Answer::Accepted)
    }

    async fn release(&self, _: &Lease, reason: String, _: Option<Timestamp>) -> Result<Answer, WorkError> {
        println!("given back: {reason}");
        Ok(Answer::Accepted)
    }

    async fn wait(&self, _: &Lease, reason: String) -> Result<Answer, WorkError> {
        println!("waits for a person: {reason}");
        Ok(Answer::Accepted)
    }

    async fn go_on(&self, _: &Lease) -> Result<Answer, WorkError> {
        Ok(Answer::Lost) // Nobody else would have it.
    }
}
