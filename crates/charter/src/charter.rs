use std::sync::Arc;

use orchestrator_transcript::Digest;
use serde::Serialize;

use crate::catalogue::digest;
use crate::{Action, Actions, CharterId, Entry, Escalation, Fit, Line, Opinion, ResourceLimits, Verdict};

/// A charter with what it takes over from those it extends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Charter {
    /// The stem of its file.
    pub id: CharterId,
    /// What people call it; its id unless the file says otherwise.
    pub name: String,
    /// Such as `orchestrator`. Shown, nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// 0 to 3. Shown, nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
    /// Who acts under it. Shown, nothing else.
    pub identity: Identity,
    /// What those under it are good at. Shown, nothing else.
    pub capabilities: Vec<String>,
    /// What they look after. Shown, nothing else.
    pub responsibilities: Vec<String>,
    /// What they are to reach. Shown, nothing else.
    pub objectives: Vec<String>,
    /// How much they may use up.
    pub resource_limits: ResourceLimits,
    /// What they may do.
    pub safety_heuristics: SafetyHeuristics,
    /// How they are run.
    pub operational_settings: Settings,
    /// What holds in any case.
    pub hard_constraints: Vec<Constraint>,
    /// Those it extends, its parent first.
    pub extends: Vec<CharterId>,
    /// Its file.
    pub source: String,
    /// The SHA-256 of what it says (RFC 8785), with what it takes over: the same for the same charter, however it is written.
    pub digest: String,
    #[serde(skip)]
    pub(crate) actions: Arc<Actions>,
}

/// Who acts under a charter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<String>,
}

/// How agents under a charter are run, where they do not say it themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The language model of those that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// How freely those choose their words that do not say it, 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// How often something is tried again, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// How long one task may be worked on, in milliseconds; as `maxDuration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// What may be done by itself, after a confirmation, and never.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SafetyHeuristics {
    /// Needs no confirmation.
    pub auto_approve: Vec<Entry>,
    /// Has to be confirmed.
    pub require_confirmation: Vec<Entry>,
    /// Never.
    pub always_reject: Vec<Entry>,
    /// Has to be confirmed, by whom it says.
    pub escalate: Vec<Escalation>,
}

/// Something that holds in any case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Constraint {
    /// What.
    pub text: String,
    /// Whether it is in the form of an action, and so never done. Anything else is only text: a model is told it, and nothing
    /// sees to it.
    pub enforced: bool,
    /// Where it is written.
    pub at: Line,
}

impl Charter {
    /// What it says of an action. Neither the order of its lists nor anything outside of it matters.
    ///
    /// Rejection is stronger than confirmation, that is stronger than approval; of what is not named it says nothing. What cannot be
    /// told of an action counts against it.
    pub fn opinion(&self, action: &Action) -> Opinion {
        let Self { safety_heuristics: lists, .. } = self;
        let decided = |verdict: Verdict, (fit, line): (Fit, &Line), escalate: Option<Escalation>| {
            let uncertain = fit == Fit::Maybe;
            let reason = reason(verdict, line, uncertain, action);
            Opinion { verdict, rule: Some(line.clone()), uncertain, escalate, reason }
        };
        if let Some(found) = self.strongest(action, self.rejected()) {
            return decided(Verdict::Deny, found, None);
        }
        // The shortest time, then the first by name: whoever is asked is asked by the strictest line.
        let asked = lists.escalate.iter().filter(|asked| self.actions.fit(&asked.action, action) != Fit::No).min();
        let confirmed = lists.require_confirmation.iter().map(|entry| (&entry.action, &entry.at));
        let escalated = lists.escalate.iter().map(|asked| (&asked.action, &asked.at));
        if let Some(found) = self.strongest(action, confirmed.chain(escalated)) {
            return decided(Verdict::Confirm, found, asked.cloned());
        }
        // What is approved does nothing else.
        let approved = lists.auto_approve.iter().filter(|entry| self.actions.covers(&entry.action, action));
        match approved.map(|entry| &entry.at).min() {
            Some(line) => decided(Verdict::Allow, (Fit::Yes, line), None),
            None => Opinion::abstained(),
        }
    }

    /// The business actions that this one is, or may be.
    pub fn meanings(&self, action: &Action) -> std::collections::BTreeMap<&str, Fit> {
        self.actions.of(action)
    }

    /// What a model is told of the constraints that are only text; nothing if there are none.
    pub fn prompt(&self) -> Option<String> {
        let texts = self.hard_constraints.iter().filter(|constraint| !constraint.enforced);
        let lines: Vec<String> = texts.map(|constraint| format!("- {}", constraint.text)).collect();
        let begins = "These constraints hold whatever you are asked, and whoever asks:";
        (!lines.is_empty()).then(|| format!("{begins}\n{}", lines.join("\n")))
    }

    /// How long one task may be worked on, in milliseconds.
    pub fn time_ms(&self) -> Option<u64> {
        crate::limits::least(self.resource_limits.max_duration_ms, self.operational_settings.timeout_ms)
    }

    /// What it sets that is not among what is enforced.
    pub fn not_enforced(&self, enforced: &[&str]) -> Vec<&'static str> {
        let settings = &self.operational_settings;
        let set = [
            ("operationalSettings.defaultModel", settings.default_model.is_some()),
            ("operationalSettings.temperature", settings.temperature.is_some()),
            ("operationalSettings.maxRetries", settings.max_retries.is_some()),
            ("operationalSettings.timeoutMs", settings.timeout_ms.is_some()),
            ("safetyHeuristics.escalate", !self.safety_heuristics.escalate.is_empty()),
        ];
        let set = set.into_iter().filter_map(|(key, is_set)| is_set.then_some(key));
        let limits = self.resource_limits.given().map(|(key, _)| key);
        limits.chain(set).filter(|key| !enforced.contains(key)).collect()
    }

    fn rejected(&self) -> impl Iterator<Item = (&orchestrator_transcript::ToolPattern, &Line)> {
        self.safety_heuristics.always_reject.iter().map(|entry| (&entry.action, &entry.at))
    }

    /// The line that fits best; of several, one that does not depend on their order.
    fn strongest<'a>(
        &self,
        action: &Action,
        lines: impl Iterator<Item = (&'a orchestrator_transcript::ToolPattern, &'a Line)>,
    ) -> Option<(Fit, &'a Line)> {
        let fitting = lines.map(|(entry, line)| (self.actions.fit(entry, action), line));
        fitting
            .filter(|(fit, _)| *fit != Fit::No)
            .max_by(|(one, first), (other, second)| one.cmp(other).then_with(|| second.cmp(first)))
    }

    /// With its digest.
    pub(crate) fn sealed(mut self) -> Self {
        let canonical = digest::canonical(&self);
        self.digest = Digest::of(&canonical).map(|digest| digest.to_string()).expect("numbers are below 2^53");
        self
    }
}

fn reason(verdict: Verdict, line: &Line, uncertain: bool, action: &Action) -> String {
    let does = match verdict {
        Verdict::Deny => "rejects it always",
        Verdict::Confirm => "wants it confirmed",
        Verdict::Allow | Verdict::Abstain => "approves it",
    };
    let charter = &line.charter;
    match uncertain {
        false => format!("charter {charter} {does}: {line}"),
        true => {
            let unknown: Vec<&str> = action.facts.unknown.iter().map(|fact| fact.as_str()).collect();
            format!("charter {charter} {does}: {line}, which it may be: its {} cannot be told", unknown.join(" and "))
        }
    }
}
