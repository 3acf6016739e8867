//! What everybody who is asked thinks of a call: the operator's lists, the permissions of whoever makes it, and every charter above
//! it. Who decides what comes of that is the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use orchestrator_charter::{Action, Charters, Verdict};
use orchestrator_security::{Escalation, Opinion, Stance};
use orchestrator_transcript::ToolPattern;
use orchestrator_vocab::OrgId;
use serde_json::Value;

use super::{Rights, following};
use crate::config::Tools;

/// The operator's lists of tools, as they are now.
#[derive(Debug)]
pub(super) struct Lists(RwLock<Named>);

#[derive(Debug)]
struct Named {
    allow: BTreeSet<ToolPattern>,
    confirm: BTreeSet<ToolPattern>,
}

/// A line of one of the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) pattern: ToolPattern,
    /// Whether a person has to confirm each call.
    pub(crate) is_confirmed: bool,
}

impl Lists {
    pub(super) fn new(config: &Tools) -> Self {
        Self(RwLock::new(Named { allow: config.allow.clone(), confirm: config.confirm.clone() }))
    }

    pub(super) fn replace(&self, config: &Tools) {
        let named = Named { allow: config.allow.clone(), confirm: config.confirm.clone() };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = named;
    }

    /// The line by which it may be called; of several, one that wants it to be confirmed.
    pub(super) fn line(&self, tool: &str) -> Option<Line> {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let find = |list: &BTreeSet<ToolPattern>| list.iter().find(|pattern| pattern.matches(tool)).cloned();
        let confirmed = find(&lists.confirm).map(|pattern| Line { pattern, is_confirmed: true });
        confirmed.or_else(|| find(&lists.allow).map(|pattern| Line { pattern, is_confirmed: false }))
    }

    pub(super) fn opinion(&self, tool: &str) -> Opinion {
        match self.line(tool) {
            None => Opinion::new(Stance::Deny, format!("{tool} is not in tools.allow")),
            Some(Line { pattern, is_confirmed: true }) => {
                Opinion::new(Stance::Confirm, format!("tools.confirm has {pattern}"))
            }
            Some(Line { pattern, .. }) => Opinion::new(Stance::Allow, format!("tools.allow has {pattern}")),
        }
    }
}

/// What whoever makes the call may do, and those who had it made.
pub(super) fn of_rights(rights: &Rights, tool: &str, reads: Reads) -> Option<Opinion> {
    let reason = || format!("{tool} is not among the tools of this agent, or of who spawned it");
    (!rights.permissions.allows(tool, reads == Reads::Only)).then(|| Opinion::new(Stance::Deny, reason()))
}

/// What the skills leave that whoever makes the call follows.
pub(super) fn of_skills(rights: &Rights, tool: &str, arguments: &Value) -> Option<Opinion> {
    following::refusal(&rights.following, tool, arguments).map(|reason| Opinion::new(Stance::Deny, reason))
}

/// Whether a tool changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    Only,
    AndMore,
}

/// What each charter says, as it is now; with its digest. One that is not there lets nothing be done.
pub(super) fn of_charters(
    charters: &Charters,
    org: OrgId,
    own: &BTreeSet<String>,
    action: &Action,
) -> (Vec<Opinion>, BTreeMap<String, String>) {
    let (mut opinions, mut digests) = (Vec::new(), BTreeMap::new());
    for name in &charters.above(org) | own {
        let charter = match charters.get(&name) {
            Ok(charter) => charter,
            Err(missing) => {
                opinions.push(Opinion::new(Stance::Deny, format!("nothing may be done: {missing}")));
                continue;
            }
        };
        digests.insert(charter.id.to_string(), charter.digest.clone());
        let said = charter.opinion(action);
        let escalation = said.escalate.map(|at| Escalation { to: at.to, timeout_ms: at.timeout_ms });
        opinions.push(Opinion { stance: stance(said.verdict), rule: said.reason, escalation });
    }
    (opinions, digests)
}

fn stance(verdict: Verdict) -> Stance {
    match verdict {
        Verdict::Allow => Stance::Allow,
        Verdict::Abstain => Stance::Abstain,
        Verdict::Confirm => Stance::Confirm,
        Verdict::Deny => Stance::Deny,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_confirmed_is_so_also_if_it_is_allowed() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let config = Tools { allow: patterns(&["fs.*"]), confirm: patterns(&["fs.write"]), ..Tools::default() };
        let lists = Lists::new(&config);
        let stances = ["fs.read", "fs.write", "command.run"].map(|tool| lists.opinion(tool).stance);
        assert_eq!(stances, [Stance::Allow, Stance::Confirm, Stance::Deny]);
        lists.replace(&Tools::default());
        assert_eq!(lists.opinion("fs.read"), Opinion::new(Stance::Deny, "fs.read is not in tools.allow"));
    }
}
