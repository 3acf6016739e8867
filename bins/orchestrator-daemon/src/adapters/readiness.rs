use orchestrator_gateway::Readiness;
use orchestrator_supervisor::{State, Status, Supervisor};

/// Ready while every loop of the daemon runs.
#[derive(Debug, Clone)]
pub(crate) struct Loops(pub(crate) Supervisor);

impl Readiness for Loops {
    fn unready(&self) -> Option<String> {
        self.0.status().into_iter().find_map(|Status { name, state, .. }| match state {
            State::Failed => Some(format!("the {name} has failed")),
            State::BackingOff => Some(format!("the {name} is being restarted")),
            _ => None,
        })
    }
}
