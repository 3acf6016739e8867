use orchestrator_process::{Error, Exit, Status};
use orchestrator_vocab::Actor;

use super::listener::Listener;
use crate::error::chain;
use crate::{Ending, Outcome, Program};

/// A machine without room for another process is not the agent's fault; a program that does not exist is.
pub(super) fn spawn_failed(error: &Error) -> Outcome {
    let text = chain(error);
    match error.is_retryable() {
        true => Outcome::Released { reason: text, actor: Actor::system("sessions"), run_at: None },
        false => Outcome::Failed { error: text },
    }
}

impl Listener {
    /// What a program that was told to end had finished before still counts.
    pub(super) fn outcome(mut self, exit: &Exit, ending: Option<Ending>, program: &Program) -> Outcome {
        match (ending, exit.status) {
            (Some(ending), Status::Stopped) => ending.into(),
            (_, Status::Exited(0)) => Outcome::Completed { result: self.take_result() },
            (_, status) => Outcome::Failed { error: self.failure(status, program) },
        }
    }

    fn failure(&self, status: Status, program: &Program) -> String {
        let limit = |limit: Option<u64>| limit.unwrap_or_default();
        let what = match status {
            Status::Exited(code) => format!("the program exited with code {code}"),
            Status::Signalled(signal) => format!("the program was ended by signal {signal}"),
            Status::TimedOut => format!("the program ran longer than timeoutMs ({} ms)", limit(program.timeout_ms)),
            Status::Idle => {
                format!("the program printed nothing for idleTimeoutMs ({} ms)", limit(program.idle_timeout_ms))
            }
            Status::OutputLimit => {
                format!("the program printed more than outputBytesMax ({} bytes)", program.output_bytes_max)
            }
            Status::ProcessLimit => "the program had more processes than it may".to_owned(),
            _ => "the program ended in an unknown way".to_owned(),
        };
        match self.stderr_tail() {
            tail if tail.is_empty() => what,
            tail => format!("{what}: {tail}"),
        }
    }
}
