use std::sync::Arc;

use orchestrator_vocab::{Actor, AgentId, Label, OrgId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Caller, Extensions};

/// Everything about one call except its method and parameters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// Names this call in logs, events and internal errors.
    pub correlation: String,
    /// The W3C trace context the client sent, as it came.
    pub traceparent: Option<String>,
    /// When the answer is no longer wanted; `None` waits for ever.
    pub deadline: Option<Instant>,
    /// Cancelled when the client went away or the daemon stops.
    pub cancel: CancellationToken,
    /// Makes a creating call repeatable. Taken from the parameter `idempotencyKey`, or from the transport's header.
    pub idempotency_key: Option<String>,
    /// The agent in whose name it is, if an agent calls and no person or program that authenticated.
    pub acting: Option<Acting>,
    /// What the transport adds, for example the connection's subscriptions.
    pub extensions: Extensions,
}

impl Call {
    /// A call without deadline, key or trace.
    pub fn new(caller: impl Into<Arc<Caller>>, correlation: impl Into<String>) -> Self {
        Self {
            caller: caller.into(),
            correlation: correlation.into(),
            traceparent: None,
            deadline: None,
            cancel: CancellationToken::new(),
            idempotency_key: None,
            acting: None,
            extensions: Extensions::default(),
        }
    }

    /// Whose things the call is about.
    pub fn org(&self) -> OrgId {
        self.caller.org
    }

    /// The caller as it is written into events and records.
    pub fn actor(&self) -> Actor {
        match &self.acting {
            Some(Acting { agent, .. }) => Actor::Agent(agent.clone()),
            None => Actor::User(self.caller.subject.clone()),
        }
    }

    /// How far what the call says may be believed, and who may see it.
    pub fn label(&self) -> Label {
        self.acting.as_ref().map_or(Label::USER, |acting| acting.label.join(Label::USER))
    }

    /// Sets the deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// An agent that calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Which.
    pub agent: AgentId,
    /// Of the words that led to the call.
    pub label: Label,
}
