use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a session is. [`State::after`] is the only way from one to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum State {
    /// It exists, its program does not run yet.
    Initializing,
    /// The program runs.
    Running,
    /// The program and everything it started stand still.
    Paused {
        /// Why, if somebody said so.
        reason: Option<String>,
    },
    /// Nobody works in it and nobody holds its task; what it did is in its journal, and it goes on from there when its
    /// task is given to its agent again.
    Suspended {
        /// Why.
        reason: String,
        /// Whether a person has to say how it goes on.
        #[serde(default)]
        waiting: bool,
    },
    /// The task was completed.
    Completed,
    /// The program failed.
    Failed {
        /// How.
        error: String,
    },
    /// It was ended before the program had finished; the task goes on elsewhere.
    Terminated {
        /// Why.
        reason: String,
    },
}

/// The name of a [`State`], without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It exists, its program does not run yet.
    Initializing,
    /// The program runs.
    Running,
    /// The program stands still.
    Paused,
    /// Nobody works in it; it goes on later.
    Suspended,
    /// The task was completed.
    Completed,
    /// The program failed.
    Failed,
    /// It was ended from outside.
    Terminated,
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The program runs.
    Started,
    /// It was told to stand still.
    Paused {
        /// Why, if somebody said so.
        reason: Option<String>,
    },
    /// It was told to go on.
    Resumed,
    /// It was interrupted and can go on later.
    Suspended {
        /// Why.
        reason: String,
        /// Whether a person has to say how it goes on.
        waiting: bool,
    },
    /// It goes on, under a new claim.
    Reopened,
    /// It finished, and the backlog took the result.
    Completed,
    /// It failed, or could not be started.
    Failed {
        /// How.
        error: String,
    },
    /// It was ended from outside.
    Terminated {
        /// Why.
        reason: String,
    },
}

/// The step is not possible from where the session is. Read the session again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session that is {from} cannot {step}")]
pub struct InvalidTransition {
    /// Where the session is.
    pub from: Status,
    /// What was tried, as a verb.
    pub step: &'static str,
}

impl State {
    /// The state after `step`.
    ///
    /// # Errors
    /// [`InvalidTransition`]; nothing leaves an ended state, only what runs can be paused, and what is suspended can only
    /// go on or be ended.
    pub fn after(self, step: Step) -> Result<Self, InvalidTransition> {
        match (self, step) {
            (Self::Initializing, Step::Started) | (Self::Paused { .. }, Step::Resumed) => Ok(Self::Running),
            (Self::Running, Step::Paused { reason }) => Ok(Self::Paused { reason }),
            // A program can finish in the moment in which it is paused.
            (Self::Running | Self::Paused { .. }, Step::Completed) => Ok(Self::Completed),
            (from, Step::Suspended { reason, waiting }) if from.is_active() => Ok(Self::Suspended { reason, waiting }),
            (Self::Suspended { .. }, Step::Reopened) => Ok(Self::Initializing),
            (from, Step::Failed { error }) if from.is_active() => Ok(Self::Failed { error }),
            (from, Step::Terminated { reason }) if !from.is_ended() => Ok(Self::Terminated { reason }),
            (from, step) => Err(InvalidTransition { from: from.status(), step: step.verb() }),
        }
    }

    /// The name of the state.
    pub fn status(&self) -> Status {
        match self {
            Self::Initializing => Status::Initializing,
            Self::Running => Status::Running,
            Self::Paused { .. } => Status::Paused,
            Self::Suspended { .. } => Status::Suspended,
            Self::Completed => Status::Completed,
            Self::Failed { .. } => Status::Failed,
            Self::Terminated { .. } => Status::Terminated,
        }
    }

    /// Whether it counts against the limit of sessions.
    pub fn is_active(&self) -> bool {
        self.status().is_active()
    }

    /// Whether it is over for good.
    pub fn is_ended(&self) -> bool {
        self.status().is_ended()
    }

    /// Whether nobody works in it before a person has said how it goes on.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Suspended { waiting: true, .. })
    }

    /// Why it is paused, suspended, failed or was terminated.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Paused { reason } => reason.as_deref(),
            Self::Failed { error: reason } | Self::Terminated { reason } | Self::Suspended { reason, .. } => {
                Some(reason)
            }
            _ => None,
        }
    }
}

impl Status {
    /// All of them, in the order of a session's life.
    pub const ALL: [Self; 7] = [
        Self::Initializing,
        Self::Running,
        Self::Paused,
        Self::Suspended,
        Self::Completed,
        Self::Failed,
        Self::Terminated,
    ];

    /// Whether it counts against the limit of sessions.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Initializing | Self::Running | Self::Paused)
    }

    /// Whether it is over for good.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Terminated)
    }

    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Terminated => "terminated",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Step {
    fn verb(&self) -> &'static str {
        match self {
            Self::Started => "start",
            Self::Paused { .. } => "be paused",
            Self::Resumed => "be resumed",
            Self::Suspended { .. } => "be suspended",
            Self::Reopened => "be reopened",
            Self::Completed => "complete",
            Self::Failed { .. } => "fail",
            Self::Terminated { .. } => "be terminated",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paused() -> Step {
        Step::Paused { reason: Some("lunch".into()) }
    }

    fn failed() -> Step {
        Step::Failed { error: "e".into() }
    }

    fn terminated() -> Step {
        Step::Terminated { reason: "r".into() }
    }

    #[track_caller]
    fn check(steps: &[Step], expected: Result<Status, &str>) {
        let after = steps.iter().cloned().try_fold(State::Initializing, State::after);
        let answer = after.map(|state| state.status()).map_err(|refusal| refusal.to_string());
        assert_eq!(answer, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_session_starts_pauses_goes_on_and_completes() {
        check(&[], Ok(Status::Initializing));
        check(&[Step::Started], Ok(Status::Running));
        check(&[Step::Started, paused()], Ok(Status::Paused));
        check(&[Step::Started, paused(), Step::Resumed, Step::Completed], Ok(Status::Completed));
        check(&[Step::Started, paused(), Step::Completed], Ok(Status::Completed));
    }

    fn suspended() -> Step {
        Step::Suspended { reason: "drained".into(), waiting: false }
    }

    #[test]
    fn what_was_interrupted_goes_on_from_the_beginning_of_a_run_or_is_ended() {
        check(&[suspended(), Step::Reopened], Ok(Status::Initializing));
        check(&[Step::Started, suspended()], Ok(Status::Suspended));
        check(&[Step::Started, paused(), suspended(), Step::Reopened, Step::Started], Ok(Status::Running));
        check(&[Step::Started, suspended(), terminated()], Ok(Status::Terminated));
    }

    #[test]
    fn it_can_fail_and_be_terminated_wherever_it_is() {
        check(&[failed()], Ok(Status::Failed));
        check(&[Step::Started, failed()], Ok(Status::Failed));
        check(&[Step::Started, paused(), terminated()], Ok(Status::Terminated));
    }

    #[test]
    fn what_cannot_be_names_where_it_is_and_what_was_tried() {
        check(&[paused()], Err("a session that is initializing cannot be paused"));
        check(&[Step::Completed], Err("a session that is initializing cannot complete"));
        check(&[Step::Started, Step::Started], Err("a session that is running cannot start"));
        check(&[Step::Started, Step::Resumed], Err("a session that is running cannot be resumed"));
        check(&[Step::Started, paused(), paused()], Err("a session that is paused cannot be paused"));
        check(&[suspended(), Step::Started], Err("a session that is suspended cannot start"));
        check(&[suspended(), Step::Resumed], Err("a session that is suspended cannot be resumed"));
        check(&[suspended(), failed()], Err("a session that is suspended cannot fail"));
        check(&[Step::Started, Step::Reopened], Err("a session that is running cannot be reopened"));
        check(&[failed(), terminated()], Err("a session that is failed cannot be terminated"));
    }

    #[test]
    fn a_state_survives_its_json() {
        let suspended = State::Suspended { reason: "r".into(), waiting: true };
        for state in [State::Running, suspended, State::Paused { reason: None }, State::Failed { error: "e".into() }] {
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
        }
    }

    fn any_step() -> impl Strategy<Value = Step> {
        proptest::sample::select(vec![
            Step::Started,
            paused(),
            Step::Resumed,
            suspended(),
            Step::Reopened,
            Step::Completed,
            failed(),
            terminated(),
        ])
    }

    proptest! {
        #[test]
        fn nothing_leaves_an_ended_state(steps in proptest::collection::vec(any_step(), 0..20)) {
            let mut state = State::Initializing;
            for step in steps {
                match state.clone().after(step) {
                    Ok(next) => {
                        prop_assert!(!state.is_ended());
                        // Everything is either at work, at rest, or over.
                        let kinds = [next.is_active(), next.is_ended(), next.status() == Status::Suspended];
                        prop_assert_eq!(kinds.into_iter().filter(|is| *is).count(), 1);
                        prop_assert!(next.reason().is_some() || !matches!(next.status(), Status::Suspended));
                        state = next;
                    }
                    Err(refusal) => prop_assert_eq!(refusal.from, state.status()),
                }
            }
        }
    }
}
