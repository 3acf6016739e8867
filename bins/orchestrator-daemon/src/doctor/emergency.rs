use orchestrator_security::Emergency;
use orchestrator_vocab::OrgId;

use super::Finding;

const CHECK: &str = "emergency stop";

/// Whether everything, or an organisation, is stopped. It is no fault, and must not be forgotten.
pub(crate) fn of(emergency: &Emergency) -> Finding {
    let orders = emergency.orders();
    if let Some(order) = orders.of(OrgId::LOCAL) {
        let found = format!("everything is stopped since {} by {}: {}", order.since, order.by, order.reason);
        return Finding::warning(CHECK, found, "when it may go on: orchestrator emergency release REASON");
    }
    match orders.orgs().count() {
        0 => Finding::ok(CHECK, "none is in force"),
        count => Finding::warning(CHECK, format!("{count} organisations have stopped themselves"), "they release it"),
    }
}
