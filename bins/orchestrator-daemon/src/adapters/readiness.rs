use orchestrator_gateway::Readiness;
use orchestrator_security::Audit;
use orchestrator_supervisor::{State, Status, Supervisor};

/// Ready while every loop of the daemon runs, and what is decided can be written down.
#[derive(Debug, Clone)]
pub(crate) struct Loops {
    pub(crate) supervisor: Supervisor,
    pub(crate) audit: Audit,
}

impl Readiness for Loops {
    fn unready(&self) -> Option<String> {
        let loops = self.supervisor.status().into_iter().find_map(|Status { name, state, .. }| match state {
            State::Failed => Some(format!("the {name} has failed")),
            State::BackingOff => Some(format!("the {name} is being restarted")),
            _ => None,
        });
        loops.or_else(|| self.audit.problem().map(|problem| format!("the audit log cannot be written: {problem}")))
    }
}
