use std::sync::Arc;

use orchestrator_vocab::{Actor, EventId, Label, OrgId};

use crate::Binding;

/// On whose behalf a command runs: it decides which rows are seen, and is written into what the command creates.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Whose backlog it is about.
    pub org: OrgId,
    /// Who asks.
    pub actor: Actor,
    /// How far the text that comes with the command may be believed, and who may see it.
    pub label: Label,
    /// The request or trace the command belongs to; repeated in the events.
    pub correlation: Option<String>,
    /// The event that the command is a reaction to.
    pub causation: Option<EventId>,
    /// The W3C trace context of the request; kept with created tasks.
    pub traceparent: Option<String>,
    /// What holds for whatever comes of the command, if whoever asks may not have everything done.
    pub binding: Option<Arc<dyn Binding>>,
}

impl Origin {
    /// An authenticated caller, without a trace.
    pub fn new(org: OrgId, actor: Actor) -> Self {
        Self { org, actor, label: Label::USER, correlation: None, causation: None, traceparent: None, binding: None }
    }
}
