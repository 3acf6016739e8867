use std::time::Duration;

use orchestrator_process::{Exit, Status};
use orchestrator_sessions::{Ending, Outcome};
use orchestrator_vocab::{Actor, Timestamp};
use serde_json::Value;

use crate::Claude;
use crate::heard::Ended;
use crate::hearing::Hearing;

/// After a limit or an outage of which nobody says when it is over.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is said of a failure, in characters.
const SAID_MAX: usize = 4_000;
/// Why a provider did not answer, where that is not the agent's fault and passes.
const PASSING: [&str; 3] = ["rate_limit", "overloaded", "server_error"];

/// What a run came to. What an agent had finished before it was told to end still counts.
pub(crate) fn outcome(
    hearing: Hearing,
    exit: &Exit,
    ending: Option<Ending>,
    stderr: &str,
    config: &Claude,
    now: Timestamp,
) -> Outcome {
    let is_done = |ended: &Ended| ended.subtype == "success" && !ended.is_error;
    if let Some(ended) = hearing.ended.as_ref().filter(|ended| is_done(ended)) {
        return Outcome::Completed { result: result(ended) };
    }
    if let Some(ending) = ending {
        return ending.into();
    }
    if let Some(why) = hearing.failure.as_deref().filter(|why| PASSING.contains(why)) {
        let reset = hearing.limited_until.map(|seconds| Timestamp(seconds.saturating_mul(1_000)));
        let run_at = reset.filter(|reset| *reset > now).unwrap_or(now + PATIENCE);
        let reason = format!("its provider does not answer: {why}");
        return Outcome::Released { reason, actor: Actor::system("runtime-claude"), run_at: Some(run_at) };
    }
    let error = match &hearing.ended {
        Some(ended) => failed(ended, config),
        None => unfinished(exit.status, stderr, config),
    };
    Outcome::Failed { error: error.chars().take(SAID_MAX).collect() }
}

/// As structured as it was said.
fn result(ended: &Ended) -> Value {
    if let Some(structured) = &ended.structured {
        return structured.clone();
    }
    let text = ended.text.clone().unwrap_or_default();
    match serde_json::from_str(&text) {
        Ok(structured @ (Value::Object(_) | Value::Array(_))) => structured,
        _ => Value::String(text),
    }
}

fn failed(ended: &Ended, config: &Claude) -> String {
    let said = ended.errors.iter().chain(&ended.text).cloned().collect::<Vec<_>>().join("; ");
    let what = match ended.subtype.as_str() {
        "success" => "the agent could not answer".to_owned(),
        "error_max_turns" => match config.turns_max {
            Some(turns) => format!("the agent used all of its {turns} turns"),
            None => "the agent used all of its turns".to_owned(),
        },
        "error_max_budget_usd" => match config.budget_usd {
            Some(budget) => format!("the agent spent all of its {budget} US dollars"),
            None => "the agent spent all of its money".to_owned(),
        },
        "error_max_structured_output_retries" => {
            "the agent did not give its result the form that was wanted".to_owned()
        }
        "error_during_execution" => "the agent failed".to_owned(),
        other => format!("the agent ended with `{other}`"),
    };
    if said.is_empty() { what } else { format!("{what}: {said}") }
}

fn unfinished(status: Status, stderr: &str, config: &Claude) -> String {
    let limit = |limit: Option<u64>| limit.unwrap_or_default();
    let what = match status {
        Status::Exited(code) => format!("the agent exited with code {code} and without a result"),
        Status::Signalled(signal) => format!("the agent was ended by signal {signal}"),
        Status::TimedOut => format!("the agent ran longer than timeoutMs ({} ms)", limit(config.timeout_ms)),
        Status::Idle => format!("the agent printed nothing for idleTimeoutMs ({} ms)", limit(config.idle_timeout_ms)),
        Status::OutputLimit => {
            format!("the agent printed more than outputBytesMax ({} bytes)", config.output_bytes_max)
        }
        Status::ProcessLimit => "the agent had more processes than it may".to_owned(),
        _ => "the agent ended in an unknown way".to_owned(),
    };
    if stderr.is_empty() { what } else { format!("{what}: {stderr}") }
}
