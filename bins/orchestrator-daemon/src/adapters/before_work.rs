//! What is asked of hooks before an agent begins with its task, and before its conversation is made shorter.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_hooks::{Event, Input};
use orchestrator_sessions::{Desk, Error, Outcome, Runtime};
use orchestrator_tools::Context;
use orchestrator_vocab::Actor;
use serde_json::{Value, json};

use super::{Gate, Hooking};

/// What a refusal is called in the audit log.
const ACTION: &str = "task.begin";

/// An agent that begins with a task only if no hook is against it. One that goes on was let begin before.
pub(crate) struct Asked {
    inner: Arc<dyn Runtime>,
    hooking: Hooking,
    gate: Gate,
}

/// With the question in front, if any hook wants it asked.
pub(crate) fn asked(inner: Arc<dyn Runtime>, hooking: &Hooking, gate: &Gate) -> Arc<dyn Runtime> {
    match hooking.hooks.any(&[Event::PreTask]) {
        true => Arc::new(Asked { inner, hooking: hooking.clone(), gate: gate.clone() }),
        false => inner,
    }
}

impl Asked {
    /// Why it must not begin.
    async fn objection(&self, desk: &Desk) -> Option<String> {
        let session = desk.session();
        if session.entries > 0 {
            return None;
        }
        let text = |field: &str| desk.document()[field].as_str().unwrap_or_default().to_owned();
        let input = Input {
            session: Some(session.id),
            task: Some(session.task),
            agent: Some(session.agent.clone()),
            ..Input::new(session.org)
        };
        let input = input.fact("task_subject", text("title")).fact("task_description", text("description"));
        let objection = self.hooking.decide(Event::PreTask, input).await.err()?;
        let actor = Actor::Agent(session.agent.clone());
        let context = Context {
            session: Some(session.id),
            task: Some(session.task),
            agent: Some(session.agent.clone()),
            ..Context::new(session.org, actor, session.id.to_string())
        };
        let told = json!({ "taskId": session.task });
        Some(self.gate.refuse(ACTION, &told, &context, objection).await.to_string())
    }
}

#[async_trait]
impl Runtime for Asked {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn grace(&self) -> Duration {
        self.inner.grace()
    }

    fn is_journaled(&self) -> bool {
        self.inner.is_journaled()
    }

    fn validate(&self) -> Result<(), Error> {
        self.inner.validate()
    }

    async fn run(&self, desk: Desk) -> Outcome {
        let objection = tokio::select! {
            objection = self.objection(&desk) => objection,
            ending = desk.asked_to_end() => return ending.into(),
        };
        match objection {
            Some(error) => Outcome::Failed { error },
            None => self.inner.run(desk).await,
        }
    }
}

/// Of a conversation that is too long.
pub(super) fn too_long(session: &orchestrator_sessions::Session, compactions: u32) -> Input {
    let input = Input {
        session: Some(session.id),
        task: Some(session.task),
        agent: Some(session.agent.clone()),
        ..Input::new(session.org)
    };
    input.fact("trigger", "auto").fact("compactions", Value::from(compactions))
}
