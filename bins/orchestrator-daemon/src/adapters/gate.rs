//! The one place where permits for tools are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use orchestrator_agents::Permissions;
use orchestrator_charter::{Action, Charters, Opinion, Verdict};
use orchestrator_telemetry::Metrics;
use orchestrator_tools::{Call, Context, Mint, Permit, Registry, Repeat, Spec, ToolName};
use orchestrator_transcript::ToolPattern;
use serde_json::{Map, Value};

use super::trail::Judged;
use super::{Rights, Trail, facts};
use crate::config::Tools;
use crate::stacks::{self, ToolCalls};

/// Decides which calls of tools are made: those that the operator's list names, that whoever calls may make, and that no charter
/// refuses. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    registry: Registry,
    mint: Mint,
    allow: RwLock<BTreeSet<ToolPattern>>,
    calls: ToolCalls,
    metrics: Metrics,
    trail: Trail,
    charters: Charters,
}

/// A call that was allowed.
pub(crate) struct Allowed {
    pub(crate) permit: Permit,
    /// By which line.
    pub(crate) reason: String,
}

impl Gate {
    pub(crate) fn new(config: &Tools, metrics: &Metrics, charters: Charters, trail: Trail) -> Self {
        let (registry, mint) = Registry::new(config.limits.clone());
        let calls = stacks::tool_calls(registry.clone(), metrics);
        let (allow, metrics) = (RwLock::new(config.allow.clone()), metrics.clone());
        Self(Arc::new(Inner { registry, mint, allow, calls, metrics, trail, charters }))
    }

    /// For whoever offers tools.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Puts another list in force, at once.
    pub(crate) fn allow(&self, allow: BTreeSet<ToolPattern>) {
        *self.0.allow.write().unwrap_or_else(PoisonError::into_inner) = allow;
    }

    /// What somebody with these permissions may call, in the order of the names.
    pub(crate) fn offered(&self, permissions: &Permissions) -> Vec<Arc<Spec>> {
        let may =
            |spec: &Arc<Spec>| self.line(&spec.name).is_some() && permissions.allows(spec.name.as_str(), reads(spec));
        self.0.registry.list().into_iter().filter(may).collect()
    }

    /// A tool by its name, or as models call it, also one that was not offered: so that the refusal says why.
    pub(crate) fn named(&self, tool: &str) -> Option<ToolName> {
        let is_meant = |name: &ToolName| name.as_str() == tool || name.model_name() == tool;
        self.0.registry.list().iter().map(|spec| &spec.name).find(|name| is_meant(name)).cloned()
    }

    /// Whether the operator lets anybody call it, and by which line.
    pub(crate) fn line(&self, tool: &ToolName) -> Option<ToolPattern> {
        let allow = self.0.allow.read().unwrap_or_else(PoisonError::into_inner);
        allow.iter().find(|pattern| pattern.matches(tool.as_str())).cloned()
    }

    /// Decides about a call, and writes the decision down before anything comes of it.
    ///
    /// # Errors
    /// Why not, for whoever wants to make it.
    pub(crate) async fn judge(&self, call: Call, rights: &Rights) -> Result<Allowed, String> {
        let judged = self.rule(&call, rights);
        let judged = self.0.trail.record(&call.tool, &call.arguments, &call.context, judged).await;
        if judged.is_err() {
            // A name that is no tool's is no label.
            let known = self.0.registry.get(&call.tool).map_or("unknown".to_owned(), |spec| spec.name.to_string());
            self.0.metrics.counter("tool_refusals_total", &[("tool", known.into())]).add(1);
        }
        judged.map(|reason| Allowed { permit: self.0.mint.permit(call), reason })
    }

    /// Why there is no such call. It is written down as well.
    pub(crate) async fn refuse_unknown(&self, tool: &str, arguments: &Value, context: &Context) -> String {
        self.0.metrics.counter("tool_refusals_total", &[("tool", "unknown".into())]).add(1);
        let reason = format!("there is no tool {tool}");
        // Refused is refused, written down or not.
        self.0.trail.record(&tool, arguments, context, refused(reason)).await.unwrap_or_else(|reason| reason)
    }

    fn rule(&self, call: &Call, rights: &Rights) -> Judged {
        let tool = &call.tool;
        let Some(spec) = self.0.registry.get(tool) else { return refused(format!("there is no tool {tool}")) };
        let Some(line) = self.line(tool) else { return refused(format!("{tool} is not in tools.allow")) };
        if !rights.permissions.allows(tool.as_str(), reads(&spec)) {
            return refused(format!("{tool} is not among the tools of this agent, or of who spawned it"));
        }
        let action =
            facts::action(tool.as_str(), Some(&spec), &call.arguments, call.context.label, &self.0.trail.redactor);
        self.ask_charters(&action, &rights.charters, format!("tools.allow has {line}"))
    }

    /// Any charter may refuse what is allowed so far, each as it is now. One that is not there refuses everything.
    fn ask_charters(&self, action: &Action, names: &BTreeSet<String>, allowed: String) -> Judged {
        let asked = names.iter().map(|name| self.0.charters.get(name)).collect::<Result<Vec<_>, _>>();
        let asked = match asked {
            Ok(asked) => asked,
            Err(missing) => return refused(format!("nothing may be done: {missing}")),
        };
        let decided = match Opinion::strictest(asked.iter().map(|charter| charter.opinion(action))) {
            Some(Opinion { verdict: Verdict::Deny, reason, .. }) => Err(reason),
            Some(Opinion { verdict: Verdict::Confirm, reason, .. }) => {
                Err(format!("it needs a confirmation, and nobody can be asked for one yet: {reason}"))
            }
            Some(Opinion { verdict: Verdict::Allow, reason, .. }) => Ok(format!("{allowed}; {reason}")),
            _ => Ok(allowed),
        };
        let charters = asked.iter().map(|charter| (charter.id.to_string(), charter.digest.clone())).collect();
        Judged { decided, charters }
    }

    /// What is known of a call that a person asks about.
    pub(crate) fn observe(&self, tool: &str, arguments: &Map<String, Value>) -> Action {
        let spec = tool.parse().ok().and_then(|name| self.0.registry.get(&name));
        let arguments = Value::Object(arguments.clone());
        facts::action(tool, spec.as_deref(), &arguments, orchestrator_vocab::Label::USER, &self.0.trail.redactor)
    }

    /// Decides about what a program does by itself, by the name that such a thing has here. Nothing here makes that call, so there
    /// is no permit. Like every decision it is written down first.
    ///
    /// # Errors
    /// Why not, for the program.
    pub(crate) async fn judge_foreign(
        &self,
        (tool, alike): (&str, &str),
        arguments: &Value,
        context: &Context,
        rights: &Rights,
    ) -> Result<String, String> {
        let judged = self.rule_for(tool, alike, rights);
        let judged = self.0.trail.record(&tool, arguments, context, judged).await;
        if judged.is_err() {
            let known = self.known(alike).map_or("unknown".to_owned(), |spec| spec.name.to_string());
            self.0.metrics.counter("tool_refusals_total", &[("tool", known.into())]).add(1);
        }
        judged
    }

    /// Whether it would be allowed, whatever its arguments are.
    pub(crate) fn would_allow(&self, tool: &str, alike: &str, rights: &Rights) -> bool {
        self.rule_for(tool, alike, rights).decided.is_ok()
    }

    fn rule_for(&self, tool: &str, alike: &str, rights: &Rights) -> Judged {
        let allow = self.0.allow.read().unwrap_or_else(PoisonError::into_inner);
        let line = allow.iter().find(|pattern| pattern.matches(tool));
        let Some(line) = line else { return refused(format!("{tool} is not in tools.allow")) };
        // What nothing is known of may change something.
        let spec = self.known(alike);
        if !rights.permissions.allows(alike, spec.as_deref().is_some_and(reads)) {
            return refused(format!("{alike} is not among the tools of this agent, or of who spawned it"));
        }
        let action = facts::untold(alike, spec.as_deref());
        self.ask_charters(&action, &rights.charters, format!("tools.allow has {line}"))
    }

    fn known(&self, tool: &str) -> Option<Arc<Spec>> {
        tool.parse().ok().and_then(|name: ToolName| self.0.registry.get(&name))
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

/// Before any charter was asked.
fn refused(reason: String) -> Judged {
    Judged { decided: Err(reason), charters: BTreeMap::new() }
}

fn reads(spec: &Spec) -> bool {
    spec.reads
}

/// What repeating a call does, in the words of a session's journal.
pub(crate) fn repeat(repeat: Repeat) -> orchestrator_sessions::Repeat {
    match repeat {
        Repeat::Harmless => orchestrator_sessions::Repeat::Harmless,
        Repeat::Keyed => orchestrator_sessions::Repeat::Keyed,
        Repeat::Effective => orchestrator_sessions::Repeat::Effective,
    }
}
