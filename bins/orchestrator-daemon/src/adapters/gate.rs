//! The one place where permits for tools are made, each for a clearance.

use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_agents::Permissions;
use orchestrator_charter::{Action, Charters, Facts};
use orchestrator_redact::Redactor;
use orchestrator_security::{
    ApprovalId, Approvals, Ask, Audit, Clearance, Emergency, Gate as Judge, GateParts, Opinion, Place, Refusal,
};
use orchestrator_telemetry::Metrics;
use orchestrator_tools::{Call, Context, Mint, Permit, Registry, Repeat, Spec, ToolName};
use orchestrator_vocab::{Label, OrgId};
use serde_json::{Map, Value};

use super::Rights;
use super::facts::{self, Foreign, Seen};
use super::label_rules::{LabelRules, Reading, RunBy};
use super::opinions::{self, Line, Lists, Reads};
use super::waiting::Waiting;
use crate::config::{Labels, Tools};
use crate::stacks::{self, ToolCalls};

/// Has it decided which calls of tools are made, by what everybody who is to be asked thinks of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    registry: Registry,
    mint: Mint,
    lists: Lists,
    labels: LabelRules,
    calls: ToolCalls,
    metrics: Metrics,
    charters: Charters,
    redactor: Redactor,
    judge: Judge,
    waiting: Waiting,
    emergency: Emergency,
}

/// What the gate is made of.
pub(crate) struct Parts {
    pub(crate) labels: LabelRules,
    pub(crate) metrics: Metrics,
    pub(crate) charters: Charters,
    pub(crate) redactor: Redactor,
    pub(crate) audit: Audit,
    pub(crate) approvals: Approvals,
    pub(crate) waiting: Waiting,
    pub(crate) emergency: Emergency,
}

/// A call that was allowed.
pub(crate) struct Allowed {
    pub(crate) permit: Permit,
    /// By which rules.
    pub(crate) reason: String,
    /// What is known of what it will say.
    pub(crate) reading: Reading,
}

impl Gate {
    pub(crate) fn new(config: &Tools, parts: Parts) -> Self {
        let Parts { labels, metrics, charters, redactor, audit, approvals, waiting, emergency } = parts;
        let (registry, mint) = Registry::new(config.limits.clone());
        let calls = stacks::tool_calls(registry.clone(), &metrics, emergency.clone());
        let filtering = redactor.clone();
        let filter = Arc::new(move |value: &Value| filtering.redact_json(value.clone()));
        let judge = Judge::new(GateParts { audit, approvals, filter });
        let lists = Lists::new(config);
        Self(Arc::new(Inner {
            registry,
            mint,
            lists,
            labels,
            calls,
            metrics,
            charters,
            redactor,
            judge,
            waiting,
            emergency,
        }))
    }

    /// For whoever offers tools.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// What makes results secret.
    pub(super) fn labels(&self) -> &LabelRules {
        &self.0.labels
    }

    /// Whether everything is stopped.
    pub(crate) fn emergency(&self) -> &Emergency {
        &self.0.emergency
    }

    /// Puts other lists and rules in force, at once.
    pub(crate) fn reconfigure(&self, config: &Tools, labels: &Labels) {
        self.0.lists.replace(config);
        self.0.labels.replace(labels);
    }

    /// What somebody with these permissions may call, in the order of the names.
    pub(crate) fn offered(&self, permissions: &Permissions) -> Vec<Arc<Spec>> {
        let may =
            |spec: &Arc<Spec>| self.line(&spec.name).is_some() && permissions.allows(spec.name.as_str(), spec.reads);
        self.0.registry.list().into_iter().filter(may).collect()
    }

    /// A tool by its name, or as models call it, also one that was not offered: so that the refusal says why.
    pub(crate) fn named(&self, tool: &str) -> Option<ToolName> {
        let is_meant = |name: &ToolName| name.as_str() == tool || name.model_name() == tool;
        self.0.registry.list().iter().map(|spec| &spec.name).find(|name| is_meant(name)).cloned()
    }

    /// Whether the operator lets anybody call it, and by which line.
    pub(crate) fn line(&self, tool: &ToolName) -> Option<Line> {
        self.0.lists.line(tool.as_str())
    }

    /// Has a call decided about, by what was said of it before too; what is decided is written down before anything comes of it.
    /// Without a place nobody is waited for.
    ///
    /// # Errors
    /// Why not, or why not yet, for whoever wants to make it.
    pub(crate) async fn judge(
        &self,
        call: Call,
        rights: &Rights,
        place: Option<Place>,
        said: Option<Opinion>,
    ) -> Result<Allowed, Refusal> {
        let spec = self.0.registry.get(&call.tool);
        let known = spec.as_ref().map(|spec| spec.name.to_string());
        let seen = Seen::new(call.tool.as_str(), &call.arguments);
        let (mut opinions, charters) = self.opinions(&seen, &call.context, spec.as_deref(), rights);
        opinions.extend(said);
        let ask = ask(call.tool.as_str(), &call.arguments, &call.context, place, charters);
        let cleared = self.counted(self.clear(ask, opinions).await, known)?;
        let reason = cleared.reason().to_owned();
        let reading = self.0.labels.reading(&seen, call.context.workspace.as_deref()).await;
        Ok(Allowed { permit: self.permit(call, cleared)?, reason, reading })
    }

    /// Before anybody is asked about one call: whether all are stopped.
    async fn clear(&self, ask: Ask, opinions: Vec<Opinion>) -> Result<Clearance, Refusal> {
        match self.0.emergency.check(ask.org) {
            Ok(()) => self.0.judge.clear(ask, opinions).await,
            Err(stopped) => Err(self.0.judge.refuse(ask, stopped.to_string()).await),
        }
    }

    /// The mint is used here and nowhere else.
    fn permit(&self, call: Call, clearance: Clearance) -> Result<Permit, Refusal> {
        match clearance.covers(call.tool.as_str(), &call.arguments) {
            true => Ok(self.0.mint.permit(call)),
            false => Err(Refusal::Denied { reason: "it is not the call that was cleared".to_owned() }),
        }
    }

    /// Why there is no such call. It is written down as well.
    pub(crate) async fn refuse_unknown(&self, tool: &str, arguments: &Value, context: &Context) -> Refusal {
        self.count_refusal(None);
        let ask = ask(tool, arguments, context, None, BTreeMap::new());
        self.0.judge.refuse(ask, format!("there is no tool {tool}")).await
    }

    /// Refuses what is no call of a tool. It is written down as well.
    pub(crate) async fn refuse(&self, action: &str, facts: &Value, context: &Context, reason: String) -> Refusal {
        self.0.judge.refuse(ask(action, facts, context, None, BTreeMap::new()), reason).await
    }

    fn opinions(
        &self,
        seen: &Seen<'_>,
        context: &Context,
        spec: Option<&Spec>,
        rights: &Rights,
    ) -> (Vec<Opinion>, BTreeMap<String, String>) {
        let tool = seen.tool;
        let label = self.0.labels.of_call(seen, context.label);
        let action = facts::action(seen, spec, label, &self.0.redactor);
        let (said, digests) = opinions::of_charters(&self.0.charters, context.org, &rights.charters, &action);
        let labelled = self.0.labels.opinion(tool, RunBy::Us, label);
        let skills = opinions::of_skills(rights, tool, seen.arguments);
        let own = [Some(self.0.lists.opinion(tool)), opinions::of_rights(rights, tool, reads(spec)), skills, labelled];
        (own.into_iter().flatten().chain(said).collect(), digests)
    }

    /// What is known of a call that a person asks about.
    pub(crate) fn observe(&self, tool: &str, arguments: &Map<String, Value>) -> Action {
        let spec = tool.parse().ok().and_then(|name| self.0.registry.get(&name));
        let arguments = Value::Object(arguments.clone());
        facts::action(&Seen::new(tool, &arguments), spec.as_deref(), Label::USER, &self.0.redactor)
    }

    /// Has decided about what a program does by itself, by the name that such a thing has here. Nothing here makes that call, so
    /// there is no permit. Like every decision it is written down first.
    ///
    /// # Errors
    /// Why not, or why not yet, for the program.
    pub(crate) async fn judge_foreign(
        &self,
        call: Foreign<'_>,
        context: &Context,
        (rights, said): (&Rights, Option<Opinion>),
    ) -> Result<String, Refusal> {
        let spec = self.known(call.alike);
        let label = self.0.labels.of_foreign((call.tool, call.alike), call.arguments, context.label);
        let action = facts::foreign(&call, spec.as_deref(), label, &self.0.redactor);
        let (mut opinions, charters) = self.opinions_of((call.tool, &action), context.org, label, rights);
        opinions.extend(said);
        let (key, requester) = (context.key.clone(), rights.requester.clone());
        let place = Place { request: key.clone(), key, requester };
        let ask = ask(call.tool, call.arguments, context, Some(place), charters);
        let cleared = self.counted(self.clear(ask, opinions).await, spec.map(|spec| spec.name.to_string()))?;
        Ok(cleared.reason().to_owned())
    }

    /// Whether a tool of somebody else's that makes calls of this sort without asking may be there: they are allowed, or would be
    /// by somebody who confirms them.
    pub(crate) fn might_allow(&self, (tool, alike): (&str, &str), unasked: Facts, org: OrgId, rights: &Rights) -> bool {
        let action = facts::of_foreign(alike, self.known(alike).as_deref(), unasked);
        let (opinions, _) = self.opinions_of((tool, &action), org, Label::default(), rights);
        !matches!(orchestrator_security::decide(opinions), orchestrator_security::Decided::Denied(_))
    }

    fn opinions_of(
        &self,
        (tool, action): (&str, &Action),
        org: OrgId,
        label: Label,
        rights: &Rights,
    ) -> (Vec<Opinion>, BTreeMap<String, String>) {
        // What nothing is known of may change something.
        let (said, digests) = opinions::of_charters(&self.0.charters, org, &rights.charters, action);
        let reads = if action.reads { Reads::Only } else { Reads::AndMore };
        let labelled = self.0.labels.opinion(&action.name, RunBy::Them, label);
        let own = [Some(self.0.lists.opinion(tool)), opinions::of_rights(rights, &action.name, reads), labelled];
        (own.into_iter().flatten().chain(said).collect(), digests)
    }

    fn known(&self, tool: &str) -> Option<Arc<Spec>> {
        tool.parse().ok().and_then(|name: ToolName| self.0.registry.get(&name))
    }

    /// Returns when somebody has answered, or nobody did in time.
    pub(crate) async fn until_answered(&self, org: OrgId, approval: ApprovalId) {
        self.0.waiting.until_answered(org, approval).await;
    }

    /// A name that is no tool's is no label.
    fn counted(&self, cleared: Result<Clearance, Refusal>, known: Option<String>) -> Result<Clearance, Refusal> {
        if let Err(Refusal::Denied { .. }) = &cleared {
            self.count_refusal(known);
        }
        cleared
    }

    fn count_refusal(&self, known: Option<String>) {
        let tool = known.unwrap_or_else(|| "unknown".to_owned());
        self.0.metrics.counter("tool_refusals_total", &[("tool", tool.into())]).add(1);
    }

    /// Makes calls that are permitted.
    pub(crate) fn calls(&self) -> ToolCalls {
        self.0.calls.clone()
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("registry", &self.0.registry).finish_non_exhaustive()
    }
}

fn ask(
    tool: &str,
    arguments: &Value,
    context: &Context,
    place: Option<Place>,
    charters: BTreeMap<String, String>,
) -> Ask {
    Ask {
        org: context.org,
        actor: context.actor.clone(),
        tool: tool.to_owned(),
        arguments: arguments.clone(),
        label: context.label,
        session: context.session,
        task: context.task,
        agent: context.agent.clone(),
        place,
        charters,
    }
}

fn reads(spec: Option<&Spec>) -> Reads {
    if spec.is_some_and(|spec| spec.reads) { Reads::Only } else { Reads::AndMore }
}

/// What repeating a call does, in the words of a session's journal.
pub(crate) fn repeat(repeat: Repeat) -> orchestrator_sessions::Repeat {
    match repeat {
        Repeat::Harmless => orchestrator_sessions::Repeat::Harmless,
        Repeat::Keyed => orchestrator_sessions::Repeat::Keyed,
        Repeat::Effective => orchestrator_sessions::Repeat::Effective,
    }
}
