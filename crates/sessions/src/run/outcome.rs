use orchestrator_process::{Error, Status};
use orchestrator_vocab::{Actor, Timestamp};
use serde_json::Value;

use super::listener::{Listener, Usage};
use super::report::chain;
use crate::live::Ending;
use crate::{Exit, Program, Session, State};

/// Why a session ended whose task belongs to somebody else now.
pub(super) const LOST: &str = "the task is no longer this session's";

/// How the work on a task ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Completed {
        result: Value,
        usage: Usage,
    },
    Failed {
        error: String,
    },
    /// It was not finished, and that is not the agent's fault.
    Released {
        reason: String,
        actor: Actor,
    },
    /// There is nobody to tell.
    Lost,
}

/// Why a program was told to end.
#[derive(Debug)]
pub(super) enum Cause {
    Told(Ending),
    Lost,
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Self {
        Self::Released { reason: ending.reason, actor: ending.actor }
    }
}

/// A machine without room for another process is not the agent's fault; a program that does not exist is.
pub(super) fn spawn_failed(error: &Error) -> Outcome {
    let text = chain(error);
    match error.is_retryable() {
        true => Outcome::Released { reason: text, actor: Actor::system("sessions") },
        false => Outcome::Failed { error: text },
    }
}

impl Listener {
    /// What a program that was told to end had finished before still counts, unless the task is lost.
    pub(super) fn outcome(
        mut self,
        exit: &orchestrator_process::Exit,
        cause: Option<Cause>,
        program: &Program,
    ) -> Outcome {
        match (cause, exit.status) {
            (Some(Cause::Lost), _) => Outcome::Lost,
            (Some(Cause::Told(ending)), Status::Stopped) => ending.into(),
            (_, Status::Exited(0)) => Outcome::Completed { result: self.take_result(), usage: self.usage },
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
            _ => "the program ended in an unknown way".to_owned(),
        };
        match self.stderr_tail() {
            tail if tail.is_empty() => what,
            tail => format!("{what}: {tail}"),
        }
    }
}

/// Writes down what a session achieved.
pub(super) fn conclude(session: &mut Session, exit: Option<&orchestrator_process::Exit>, now: Timestamp) {
    let duration_ms = u64::try_from(now.since(session.started_at).as_millis()).unwrap_or(u64::MAX);
    let is_completed = session.state == State::Completed;
    session.ended_at = Some(now);
    session.exit = exit.map(|exit| Exit { code: exit.code, signal: exit.signal });
    session.metrics.duration_ms = duration_ms;
    session.metrics.tasks_completed = u64::from(is_completed);
    session.metrics.errors_encountered = u64::from(matches!(session.state, State::Failed { .. }));
    session.metrics.average_response_time_ms = if is_completed { duration_ms } else { 0 };
}
