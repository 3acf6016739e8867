use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{Charter, Entry};

/// What a charter says, without where it is written; lists of actions in one order.
pub(crate) fn canonical(charter: &Charter) -> Value {
    let lists = &charter.safety_heuristics;
    let actions =
        |entries: &[Entry]| -> BTreeSet<String> { entries.iter().map(|entry| entry.action.to_string()).collect() };
    let escalate: BTreeSet<(String, Option<&String>, u64)> =
        lists.escalate.iter().map(|asked| (asked.action.to_string(), asked.to.as_ref(), asked.timeout_ms)).collect();
    let constraints: BTreeSet<&str> =
        charter.hard_constraints.iter().map(|constraint| constraint.text.as_str()).collect();
    json!({
        "id": charter.id,
        "name": charter.name,
        "role": charter.role,
        "tier": charter.tier,
        "identity": charter.identity,
        "capabilities": charter.capabilities,
        "responsibilities": charter.responsibilities,
        "objectives": charter.objectives,
        "resourceLimits": charter.resource_limits,
        "safetyHeuristics": {
            "autoApprove": actions(&lists.auto_approve),
            "requireConfirmation": actions(&lists.require_confirmation),
            "alwaysReject": actions(&lists.always_reject),
            "escalate": escalate,
        },
        "operationalSettings": charter.operational_settings,
        "hardConstraints": constraints,
        "extends": charter.extends,
    })
}
