use proptest::prelude::*;

use super::*;

fn coder() -> AgentId {
    "coder".parse().unwrap()
}

fn running() -> State {
    State::InProgress { owner: coder(), lease_until: Timestamp(100) }
}

fn states() -> Vec<State> {
    vec![
        State::Pending,
        State::Blocked { waiting_on: 2 },
        running(),
        State::AwaitingApproval { owner: Some(coder()) },
        State::Completed { result: Value::Null },
        State::Failed { error: "no".into() },
        State::Cancelled { reason: "no".into() },
    ]
}

fn claim() -> Step {
    Step::Claim { owner: coder(), lease_until: Timestamp(100) }
}

fn steps() -> Vec<Step> {
    vec![
        Step::DependsOn(1),
        Step::DependenciesMet(1),
        claim(),
        Step::Renew { lease_until: Timestamp(200) },
        Step::Release,
        Step::TryAgain,
        Step::Expire { now: Timestamp(100) },
        Step::AwaitApproval,
        Step::Approve,
        Step::Resume { lease_until: Timestamp(200) },
        Step::Complete { result: Value::Null },
        Step::Fail { error: "e".into() },
        Step::Cancel { reason: "r".into() },
        Step::Retry { waiting_on: 0 },
    ]
}

/// One row per state, one letter per step in the order of `steps`: where it leads, `.` if it is refused.
#[test]
fn every_state_answers_every_step_as_in_this_table() {
    let table = [
        "B.I....A...FX.", // pending
        "BB.........FX.", // blocked, by two
        "...IPPPA..CFX.", // in progress
        "........PI.FX.", // awaiting approval
        "..............", // completed
        ".............P", // failed
        ".............P", // cancelled
    ];
    let letter = |status| match status {
        Status::Pending => 'P',
        Status::Blocked => 'B',
        Status::InProgress => 'I',
        Status::AwaitingApproval => 'A',
        Status::Completed => 'C',
        Status::Failed => 'F',
        Status::Cancelled => 'X',
    };
    for (state, expected) in states().iter().zip(table) {
        let row: String = steps().iter().map(|step| state.after(step).map_or('.', |to| letter(to.status()))).collect();
        assert_eq!(row, expected, "{}", state.status());
    }
}

#[test]
fn the_last_dependency_met_makes_a_task_pending() {
    let blocked = State::Pending.after(&Step::DependsOn(3)).unwrap();
    let blocked = blocked.after(&Step::DependenciesMet(2)).unwrap();
    assert_eq!(blocked, State::Blocked { waiting_on: 1 });
    assert_eq!(blocked.after(&Step::DependenciesMet(1)), Ok(State::Pending));
}

#[test]
fn more_dependencies_met_than_waited_for_is_refused() {
    let refused = State::Blocked { waiting_on: 1 }.after(&Step::DependenciesMet(2)).unwrap_err();
    assert_eq!(refused.to_string(), "cannot go from blocked to pending: it waits for 1 dependencies, not for 2");
}

#[test]
fn a_refusal_names_from_to_and_why() {
    let refused = running().after(&claim()).unwrap_err();
    assert_eq!((refused.from, refused.to), (Status::InProgress, Status::InProgress));
    assert_eq!(refused.to_string(), "cannot go from in_progress to in_progress: coder works on it");
    let refused = State::Completed { result: Value::Null }.after(&Step::Cancel { reason: "r".into() }).unwrap_err();
    assert_eq!(refused.to_string(), "cannot go from completed to cancelled: the task is finished");
}

#[test]
fn a_lease_that_holds_does_not_expire() {
    let refused = running().after(&Step::Expire { now: Timestamp(99) }).unwrap_err();
    assert!(refused.why.starts_with("the lease holds until 1970-01-01T00:00:00.100Z"), "{refused}");
}

#[test]
fn approval_gives_the_task_back_to_the_backlog_or_to_its_owner() {
    let asked = running().after(&Step::AwaitApproval).unwrap();
    assert_eq!(asked.lease_until(), None);
    assert_eq!(asked.after(&Step::Approve), Ok(State::Pending));
    let resumed = asked.after(&Step::Resume { lease_until: Timestamp(200) }).unwrap();
    assert_eq!(resumed, State::InProgress { owner: coder(), lease_until: Timestamp(200) });
}

#[test]
fn what_nobody_had_started_cannot_be_resumed_only_approved() {
    let asked = State::Pending.after(&Step::AwaitApproval).unwrap();
    assert!(asked.after(&Step::Resume { lease_until: Timestamp(200) }).is_err());
    assert_eq!(asked.after(&Step::Approve), Ok(State::Pending));
}

#[test]
fn a_retried_task_waits_for_what_is_not_met() {
    let failed = State::Failed { error: "no".into() };
    assert_eq!(failed.after(&Step::Retry { waiting_on: 2 }), Ok(State::Blocked { waiting_on: 2 }));
    assert_eq!(failed.after(&Step::Retry { waiting_on: 0 }), Ok(State::Pending));
}

#[test]
fn the_wire_form_is_flat() {
    let json = serde_json::to_value(running()).unwrap();
    let expected = serde_json::json!({
        "status": "in_progress", "owner": "coder", "leaseUntil": "1970-01-01T00:00:00.100Z"
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<State>(json).unwrap(), running());
}

#[test]
fn a_status_survives_its_text() {
    for status in Status::ALL {
        assert_eq!(status.as_str().parse(), Ok(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    assert_eq!("done".parse::<Status>(), Err(InvalidStatus));
}

fn any_step() -> impl Strategy<Value = Step> {
    let counted = (0u32..4).prop_flat_map(|n| {
        prop_oneof![Just(Step::DependsOn(n)), Just(Step::DependenciesMet(n)), Just(Step::Retry { waiting_on: n })]
    });
    let timed = (0i64..200).prop_map(|now| Step::Expire { now: Timestamp(now) });
    prop_oneof![proptest::sample::select(steps()), counted, timed]
}

proptest! {
    #[test]
    fn no_sequence_of_steps_reaches_an_impossible_state(steps in proptest::collection::vec(any_step(), 0..60)) {
        let mut state = State::Pending;
        for step in &steps {
            match state.after(step) {
                Ok(next) => {
                    let left_the_end = state.is_finished() && !next.is_finished();
                    let retried = matches!(step, Step::Retry { .. });
                    prop_assert!(!left_the_end || retried);
                    prop_assert!(state.status() != Status::Completed, "completed is for ever");
                    state = next;
                }
                Err(refused) => prop_assert_eq!(refused.from, state.status()),
            }
            prop_assert_ne!(&state, &State::Blocked { waiting_on: 0 });
            prop_assert_eq!(state.lease_until().is_some(), state.status() == Status::InProgress);
        }
    }
}
