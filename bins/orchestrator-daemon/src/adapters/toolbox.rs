use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_hooks::Event;
use orchestrator_runtime_llm::{Offered, Opening, Permitted, Refused, ToolAnswer, ToolRequest, Toolbox};
use orchestrator_security::{Place, Refusal};
use orchestrator_sessions::Session;
use orchestrator_skills::By;
use orchestrator_tools::{Call, Context, Error, Output, Progress, ToolName};
use orchestrator_transcript::{Message, ToolResultPart};
use orchestrator_vocab::{Actor, AgentId, Integrity, Label, OrgId};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::before_work::too_long;
use super::following::{self, Following};
use super::gate::{Gate, repeat};
use super::label_rules::Reading;
use super::{Failed, Hooking, Judged, Rights, SkillDesk, words};

/// The tools of one session: what the operator allows, and its agent may use.
pub(crate) struct SessionTools {
    pub(crate) gate: Gate,
    pub(crate) hooking: Hooking,
    pub(crate) rights: Rights,
    pub(crate) workspace: Option<PathBuf>,
    pub(crate) skills: SkillDesk,
    pub(crate) agent: (OrgId, Option<AgentId>),
}

#[async_trait]
impl Toolbox for SessionTools {
    fn offered(&self, standing: &[Value]) -> Vec<Offered> {
        let following = following::of(standing);
        let (org, agent) = &self.agent;
        let has_skills = !self.skills.listing(*org, agent.as_ref()).is_empty();
        let is_of_use = |tool: &str| match tool {
            following::USE => has_skills,
            following::READ => has_skills || !following.is_empty(),
            tool => following::leaves(&following, tool),
        };
        let specs = self.gate.offered(&self.rights.permissions).into_iter();
        let offered = specs.filter(|spec| is_of_use(spec.name.as_str())).map(|spec| Offered {
            name: spec.name.to_string(),
            description: spec.description.clone(),
            parameters: spec.input.clone(),
            repeat: repeat(spec.repeat),
        });
        offered.collect()
    }

    /// A skill that a person asked for by its name is followed from the beginning. Hooks and the gate are asked as they are about the
    /// call by which a model would have asked for it.
    async fn open(&self, session: &Session, words: &str, label: Label) -> Result<Option<Opening>, Refused> {
        let choice = self.skills.choice(session.org, Some(&session.agent));
        // What agents and strangers write asks for nothing.
        let by_a_person = label.integrity >= Integrity::User;
        let asked = self.skills.asked_for(words, &choice).filter(|_| by_a_person);
        let Some((name, arguments)) = asked else { return Ok(None) };
        let tool =
            self.gate.named(following::USE).ok_or_else(|| denied(format!("/{name}: there are no skills here")))?;
        let actor = Actor::Agent(session.agent.clone());
        let context = Context { label, ..self.place(session, actor, format!("{}.skill", session.id)) };
        let call = Call { tool, arguments: json!({ "name": name, "arguments": arguments }), context: context.clone() };
        let judged = self.hooking.judge(&self.gate, call, &self.rights, None).await;
        let Judged { afterwards, .. } = judged.map_err(|refusal| denied(format!("/{name}: {refusal}")))?;
        let used = self.skills.activate((name, arguments), &context, By::Name).await;
        let failed = if used.is_ok() { Failed::No } else { Failed::Yes };
        let told = used.as_ref().map_or_else(ToString::to_string, |(used, ..)| used.text.clone());
        afterwards.told(json!(told), failed).await;
        let (used, following, label) = used.map_err(|error| denied(error.to_string()))?;
        Ok(Some(Opening { message: Message::user(label, used.text), standing: json!(following) }))
    }

    async fn permit(&self, request: ToolRequest) -> Result<Permitted, Refused> {
        let Some(tool) = self.gate.named(&request.tool) else {
            let context = self.context(&request);
            return Err(refused(self.gate.refuse_unknown(&request.tool, &request.call.arguments, &context).await));
        };
        let following = following::of(&request.standing);
        let rights = Rights { following, ..self.rights.clone() };
        let requester = rights.requester.clone();
        let place = Place { request: request.call.id.clone(), key: request.key.clone(), requester };
        let uses_skill = tool.as_str() == following::USE;
        let call = self.call(tool, request, &rights.following);
        let judged = self.hooking.judge(&self.gate, call, &rights, Some(place)).await.map_err(refused)?;
        let Judged { allowed, afterwards } = judged;
        let (calls, permit, reading) = (self.gate.calls(), allowed.permit, allowed.reading);
        let run = Box::pin(async move {
            let called = calls.oneshot(permit).await;
            // What cannot be told of a skill that was given out allows nothing.
            let used = called.as_ref().ok().filter(|output| uses_skill && !output.is_error);
            let standing = used.map(|output| output.structured.clone().unwrap_or_default());
            let mut answer = ToolAnswer { standing, ..told(called, &reading) };
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

fn denied(reason: String) -> Refused {
    Refused::Denied { reason }
}

fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::Denied { reason } => Refused::Denied { reason },
        Refusal::Waits { approval, reason } => Refused::Waits { approval: approval.to_string(), reason },
    }
}

impl SessionTools {
    fn call(&self, tool: ToolName, request: ToolRequest, following: &[Following]) -> Call {
        let directories = following.iter().map(|skill| skill.directory.clone()).filter(|directory| directory.is_dir());
        let readable = directories.collect();
        let context = Context { readable, narrowed: following::unconditional(following), ..self.context(&request) };
        Call { tool, context, arguments: request.call.arguments }
    }

    fn context(&self, request: &ToolRequest) -> Context {
        let session = &request.session;
        let actor = Actor::Agent(session.agent.clone());
        let progress = request.progress.clone();
        Context {
            label: request.label,
            cancel: request.cancel.clone(),
            progress: Progress::new(move |told| progress(told)),
            ..self.place(session, actor, request.key.clone())
        }
    }

    fn place(&self, session: &Session, actor: Actor, key: String) -> Context {
        Context {
            session: Some(session.id),
            task: Some(session.task),
            agent: Some(session.agent.clone()),
            workspace: self.workspace.clone(),
            ..Context::new(session.org, actor, key)
        }
    }
}

/// What the agent is told of a call. Failures of a tool are for the agent to deal with.
fn told(called: Result<Output, Error>, reading: &Reading) -> ToolAnswer {
    match called {
        Ok(output) => {
            let label = reading.label(&output);
            ToolAnswer { content: output.content, is_error: output.is_error, label, standing: None }
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
pub(crate) fn toolbox(tools: SessionTools) -> Arc<dyn Toolbox> {
    Arc::new(tools)
}
