//! What hooks are asked and told, in the words of the daemon.

use std::sync::Arc;

use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_hooks::{Event, Hooks, Input, Listener, Ran, ToolUse, Verdict};
use orchestrator_security::{Emergency, Opinion, Place, Refusal, Stance};
use orchestrator_sql::Database;
use orchestrator_telemetry::Metrics;
use orchestrator_tools::{Call, Context};
use orchestrator_vocab::{Actor, Clock};
use serde_json::{Value, json};

use super::Rights;
use super::gate::{Allowed, Gate};

/// Asks and tells hooks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hooking {
    pub(crate) hooks: Hooks,
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    /// Nothing is run while everything is stopped, hooks included.
    pub(crate) emergency: Emergency,
}

/// What tools do, by their names.
#[derive(Clone, Copy)]
enum Sort {
    Edit,
    Command,
    Other,
}

fn sort(tool: &str) -> Sort {
    match tool {
        "fs.write" | "fs.edit" | "fs.remove" => Sort::Edit,
        "command.run" => Sort::Command,
        _ => Sort::Other,
    }
}

/// The events before a call of a tool that is like this one, the narrower first.
fn before(alike: &str) -> Vec<Event> {
    match sort(alike) {
        Sort::Edit => vec![Event::PreEdit, Event::PreToolUse],
        Sort::Command => vec![Event::PreCommand, Event::PreToolUse],
        Sort::Other => vec![Event::PreToolUse],
    }
}

fn after(alike: &str, failed: Failed) -> Vec<Event> {
    let general = match failed {
        Failed::Yes => Event::PostToolUseFailure,
        Failed::No => Event::PostToolUse,
    };
    match sort(alike) {
        Sort::Edit => vec![Event::PostEdit, general],
        Sort::Command => vec![Event::PostCommand, general],
        Sort::Other => vec![general],
    }
}

/// Whether a call came to nothing.
#[derive(Clone, Copy)]
pub(crate) enum Failed {
    Yes,
    No,
}

/// What hooks said before a call.
#[derive(Default)]
struct Asked {
    said: Option<Opinion>,
    input: Option<Value>,
    context: Vec<String>,
}

/// A call that may be made, and what hooks are told of it afterwards.
pub(crate) struct Judged {
    pub(crate) allowed: Allowed,
    pub(crate) afterwards: Afterwards,
}

/// What is told once a call was made.
pub(crate) struct Afterwards {
    hooking: Hooking,
    input: Input,
    /// What hooks wanted the agent to know before.
    context: Vec<String>,
}

impl Hooking {
    /// Asks hooks, then the gate, about the call as hooks left it: what is judged is what runs.
    ///
    /// # Errors
    /// Why not, or why not yet. It is in the audit log, once.
    pub(crate) async fn judge(
        &self,
        gate: &Gate,
        mut call: Call,
        rights: &Rights,
        place: Option<Place>,
    ) -> Result<Judged, Refusal> {
        let tool = call.tool.to_string();
        let mut input = about(&call.context, &tool, &call.arguments);
        let asked = self.ask(&before(&tool), &input).await;
        if let (Some(changed), Some(told)) = (asked.input, &mut input.tool) {
            told.input.clone_from(&changed);
            call.arguments = changed;
        }
        let allowed = gate.judge(call, rights, place, asked.said).await?;
        Ok(Judged { allowed, afterwards: Afterwards { hooking: self.clone(), input, context: asked.context } })
    }

    /// What hooks say of what a program does by itself, and with which arguments it is to do it.
    pub(crate) async fn foreign(
        &self,
        (tool, alike): (&str, &str),
        arguments: Value,
        context: &Context,
    ) -> (Option<Opinion>, Value) {
        let events = [vec![Event::PermissionRequest], before(alike)].concat();
        let asked = self.ask(&events, &about(context, tool, &arguments)).await;
        (asked.said, asked.input.unwrap_or(arguments))
    }

    /// What hooks say of a call, for the gate: that nobody is against it is no opinion.
    async fn ask(&self, events: &[Event], input: &Input) -> Asked {
        if self.emergency.check(input.org).is_err() {
            return Asked::default();
        }
        let decision = self.hooks.decide(events, input.clone()).await;
        let objection = decision.objection();
        if let (Verdict::Deny, Some(objection)) = (decision.verdict, &objection) {
            self.blocked(input, objection).await;
        }
        let stance = if decision.verdict == Verdict::Ask { Stance::Confirm } else { Stance::Deny };
        let said = objection.map(|objection| Opinion::new(stance, objection));
        Asked { said, input: decision.input, context: decision.context }
    }

    /// Asks hooks about what is no call of a tool.
    ///
    /// # Errors
    /// Why not, for whoever wants it. That it is in the audit log is the caller's to see to.
    pub(crate) async fn decide(&self, event: Event, input: Input) -> Result<Vec<String>, String> {
        if self.emergency.check(input.org).is_err() {
            // Whatever it is, it does not go on now.
            return Ok(Vec::new());
        }
        let decision = self.hooks.decide(&[event], input.clone()).await;
        match decision.objection() {
            None => Ok(decision.context),
            Some(objection) => {
                self.blocked(&input, &objection).await;
                Err(objection)
            }
        }
    }

    /// Tells the log. It is blocked, told or not.
    async fn blocked(&self, input: &Input, objection: &str) {
        let payload = json!({
            "orgId": input.org, "reason": objection, "tool": input.tool.as_ref().map(|tool| &tool.name),
            "sessionId": input.session, "taskId": input.task, "agentId": input.agent,
        });
        let mut event = NewEvent::new(input.org, "hook.blocked", self.clock.now(), Actor::system("hooks"), payload);
        event.subject = input.task.map(|task| task.to_string());
        if let Err(error) = SqlLog::tell(&self.database, event).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "hook.blocked could not be written");
        }
    }
}

impl Afterwards {
    /// Tells hooks what a call came to; what the agent is to know beside it is the answer.
    pub(crate) async fn told(mut self, response: Value, failed: Failed) -> Vec<String> {
        if self.hooking.emergency.check(self.input.org).is_err() {
            return self.context;
        }
        let Some(tool) = &mut self.input.tool else { return self.context };
        tool.response = Some(response);
        let events = after(&tool.name, failed);
        let mut context = self.context;
        if self.hooking.hooks.any(&events) {
            context.extend(self.hooking.hooks.observe(&events, self.input).await);
        }
        context
    }
}

fn about(context: &Context, tool: &str, arguments: &Value) -> Input {
    let tool = ToolUse { name: tool.to_owned(), input: arguments.clone(), id: context.key.clone(), response: None };
    Input {
        session: context.session,
        task: context.task,
        agent: context.agent.clone(),
        cwd: context.workspace.clone(),
        tool: Some(tool),
        ..Input::new(context.org)
    }
}

/// As an agent is told what hooks add.
pub(crate) fn words(context: &[String]) -> String {
    let said: Vec<String> = context.iter().map(|text| format!("[a hook of the operator says] {text}")).collect();
    said.join("\n")
}

/// Counts each run.
pub(crate) fn counted(metrics: &Metrics) -> Listener {
    let metrics = metrics.clone();
    Arc::new(move |ran: &Ran| {
        let hook = ran.hook.clone();
        let labels = [("hook", hook.clone().into()), ("outcome", ran.outcome.as_str().into())];
        metrics.counter("hook_runs_total", &labels).add(1);
        metrics.histogram("hook_duration_seconds", &[("hook", hook.into())]).record_duration(ran.duration);
        if let Some(reason) = &ran.reason {
            tracing::info!(hook = ran.hook, event = %ran.event, outcome = ran.outcome.as_str(), reason, "a hook was in the way or failed");
        }
    })
}
