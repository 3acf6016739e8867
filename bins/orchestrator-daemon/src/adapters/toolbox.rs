use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_hooks::Event;
use orchestrator_runtime_llm::{Offered, Permitted, Refused, ToolAnswer, ToolRequest, Toolbox};
use orchestrator_security::{Place, Refusal};
use orchestrator_sessions::Session;
use orchestrator_tools::{Call, Context, Error, Output, Progress, ToolName};
use orchestrator_transcript::ToolResultPart;
use orchestrator_vocab::Actor;
use serde_json::json;
use tower::ServiceExt as _;

use super::before_work::too_long;
use super::gate::{Gate, repeat};
use super::label_rules::Reading;
use super::{Failed, Hooking, Judged, Rights, words};

/// The tools of one session: what the operator allows, and its agent may use.
pub(crate) struct SessionTools {
    pub(crate) gate: Gate,
    pub(crate) hooking: Hooking,
    pub(crate) rights: Rights,
    pub(crate) workspace: Option<PathBuf>,
}

#[async_trait]
impl Toolbox for SessionTools {
    fn offered(&self) -> Vec<Offered> {
        let offered = self.gate.offered(&self.rights.permissions).into_iter().map(|spec| Offered {
            name: spec.name.to_string(),
            description: spec.description.clone(),
            parameters: spec.input.clone(),
            repeat: repeat(spec.repeat),
        });
        offered.collect()
    }

    async fn permit(&self, request: ToolRequest) -> Result<Permitted, Refused> {
        let Some(tool) = self.gate.named(&request.tool) else {
            let context = self.context(&request);
            return Err(refused(self.gate.refuse_unknown(&request.tool, &request.call.arguments, &context).await));
        };
        let requester = self.rights.requester.clone();
        let place = Place { request: request.call.id.clone(), key: request.key.clone(), requester };
        let call = self.call(tool, request);
        let judged = self.hooking.judge(&self.gate, call, &self.rights, Some(place)).await.map_err(refused)?;
        let Judged { allowed, afterwards } = judged;
        let (calls, permit, reading) = (self.gate.calls(), allowed.permit, allowed.reading);
        let run = Box::pin(async move {
            let mut answer = told(calls.oneshot(permit).await, &reading);
            let failed = if answer.is_error { Failed::Yes } else { Failed::No };
            let context = afterwards.told(json!(answer.content), failed).await;
            if !context.is_empty() {
                answer.content.push(ToolResultPart::Text { text: words(&context) });
            }
            answer
        });
        Ok(Permitted { reason: allowed.reason, run })
    }

    async fn may_compact(&self, session: &Session, compactions: u32) -> Result<(), Refused> {
        let asked = self.hooking.decide(Event::PreCompact, too_long(session, compactions)).await;
        asked.map(drop).map_err(|reason| Refused::Denied { reason })
    }
}

fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::Denied { reason } => Refused::Denied { reason },
        Refusal::Waits { approval, reason } => Refused::Waits { approval: approval.to_string(), reason },
    }
}

impl SessionTools {
    fn call(&self, tool: ToolName, request: ToolRequest) -> Call {
        Call { tool, context: self.context(&request), arguments: request.call.arguments }
    }

    fn context(&self, request: &ToolRequest) -> Context {
        let session = &request.session;
        let actor = Actor::Agent(session.agent.clone());
        let progress = request.progress.clone();
        Context {
            session: Some(session.id),
            task: Some(session.task),
            agent: Some(session.agent.clone()),
            workspace: self.workspace.clone(),
            label: request.label,
            cancel: request.cancel.clone(),
            progress: Progress::new(move |told| progress(told)),
            ..Context::new(session.org, actor, request.key.clone())
        }
    }
}

/// What the agent is told of a call. Failures of a tool are for the agent to deal with.
fn told(called: Result<Output, Error>, reading: &Reading) -> ToolAnswer {
    match called {
        Ok(output) => {
            let label = reading.label(&output);
            ToolAnswer { content: output.content, is_error: output.is_error, label }
        }
        // A tool may repeat what it was given, or what it met, in its words.
        Err(error) => {
            let why = error.to_string();
            ToolAnswer { label: reading.label_of_failure(&why), ..ToolAnswer::failed(why) }
        }
    }
}

impl std::fmt::Debug for SessionTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionTools").field("rights", &self.rights).finish_non_exhaustive()
    }
}

/// For whoever holds it behind a port.
pub(crate) fn toolbox(gate: &Gate, hooking: &Hooking, rights: Rights, workspace: Option<PathBuf>) -> Arc<dyn Toolbox> {
    Arc::new(SessionTools { gate: gate.clone(), hooking: hooking.clone(), rights, workspace })
}
