use super::*;

#[track_caller]
fn check(text: &str, place: (u64, u64), problem: &str) {
    let wrong = read(text).unwrap_err();
    assert!(wrong.problem.contains(problem), "{}", wrong.problem);
    assert_eq!(wrong.at, Some(place), "{}", wrong.problem);
}

#[test]
fn the_place_of_what_is_wrong_is_told() {
    check("", (1, 1), "empty");
    check("name: x\ncolour: red\n", (2, 1), "unknown field `colour`");
    check("identity: { nmae: x }\n", (1, 13), "unknown field `nmae`");
    check("tier: 4\n", (1, 7), "tier: expected 0 to 3, got 4");
    check("name: a\nname: b\n", (2, 1), "duplicate");
    check("name: ''\n", (1, 7), "name: expected 1 to 100 characters");
    check("extends: ../up\n", (1, 10), "expected 1 to 63");
    check("resourceLimits:\n  maxSessions: 0\n", (2, 16), "maxSessions: expected 1 to 10000");
    check("resourceLimits: { maxDuration: 3 fortnights }\n", (1, 32), "maxDuration: expected milliseconds");
    check("resourceLimits: { costBudget: .nan }\n", (1, 31), "costBudget");
    check("operationalSettings: { temperature: 3 }\n", (1, 37), "temperature: expected 0 to 2");
    check("safetyHeuristics: { autoApprove: ['fs*'] }\n", (1, 35), "`fs*`: expected the name of an action");
    check("safetyHeuristics: { autoApprove: [a.b, a.b] }\n", (1, 40), "is there twice");
    check("safetyHeuristics: { escalate: [{ action: a.b, to: bob }] }\n", (1, 51), "`user:NAME`");
    check("safetyHeuristics:\n  alwaysRefuse: [x]\n", (2, 3), "unknown field `alwaysRefuse`");
}

#[test]
fn a_number_that_is_none_is_refused_where_it_stands() {
    for text in [
        "resourceLimits: { maxSessions: -1 }",
        "resourceLimits: { maxSessions: 1.5 }",
        "resourceLimits: { maxSessions: many }",
    ] {
        let wrong = read(text).unwrap_err();
        assert_eq!(wrong.at, Some((1, 32)), "{wrong:?}");
    }
}

#[test]
fn a_shorter_budget_is_no_larger_than_a_longer_one() {
    check(
        "resourceLimits: { tokenBudget: { hourly: 5, daily: 4 } }",
        (1, 42),
        "hourly: 5 is more than daily allows (4)",
    );
    check("resourceLimits: { tokenBudget: { hourly: 5, monthly: 4 } }", (1, 42), "more than monthly");
    check("resourceLimits: { tokenBudget: { daily: 5, weekly: 9, monthly: 8 } }", (1, 52), "weekly: 9");
    assert!(read("resourceLimits: { tokenBudget: { hourly: 4, daily: 4, weekly: 5 } }").is_ok());
}

#[test]
fn a_line_that_a_stricter_list_covers_is_an_error_and_an_exception_is_none() {
    let lists = |auto: &str, confirm: &str, reject: &str| {
        format!(
            "safetyHeuristics:\n  autoApprove: [{auto}]\n  requireConfirmation: [{confirm}]\n  alwaysReject: [{reject}]\n"
        )
    };
    check(
        &lists("a.b", "", "a.b"),
        (2, 17),
        "autoApprove: `a.b` never counts, because alwaysReject has `a.b` (line 4, column 18)",
    );
    check(&lists("", "a.b", "'a.*'"), (3, 25), "requireConfirmation: `a.b` never counts");
    check(&lists("a.b", "'*'", ""), (2, 17), "because requireConfirmation has `*`");
    assert!(read(&lists("'a.*'", "a.b", "a.c")).is_ok());
}

#[test]
fn a_bomb_of_anchors_is_refused_at_once() {
    assert!(read("name: &a x\nrole: *a\n").is_err());
    assert!(read(&format!("identity: {}1{}\n", "[".repeat(50), "]".repeat(50))).is_err());
    assert!(read(&format!("capabilities: [{}a]\n", "a,".repeat(10_000))).is_err());
    assert!(read("name: a\n---\nname: b\n").is_err());
}

#[test]
fn lengths_of_time_may_have_units() {
    let of = |text: &str| read(&format!("resourceLimits: {{ maxDuration: {text} }}")).unwrap().limits.max_duration_ms;
    assert_eq!(
        (of("90000"), of("90s"), of("2h"), of("1d")),
        (Some(90_000), Some(90_000), Some(7_200_000), Some(86_400_000))
    );
}

#[test]
fn every_key_is_understood() {
    let said = read(
        "name: A\nrole: r\ntier: 0\nidentity: { name: n, description: d, personality: p }\ncapabilities: [c]\n\
         responsibilities: [does things]\nobjectives: [wins]\nresourceLimits: { maxTokensPerSession: 9, costBudget: 1.5 }\n\
         safetyHeuristics: { escalate: [{ action: deploy.*, to: 'channel:ops', timeoutMs: 60000 }] }\n\
         operationalSettings: { defaultModel: m, temperature: 0.5, maxRetries: 0, timeoutMs: 5 }\n\
         hardConstraints: [Never lie., fs.remove]\nextends: base\n",
    )
    .unwrap();
    assert_eq!((said.tier, said.settings.max_retries, said.limits.cost_budget), (Some(0), Some(0), Some(1.5)));
    let asked = &said.heuristics.escalate[0];
    assert_eq!((asked.to.as_deref(), asked.timeout_ms), (Some("channel:ops"), 60_000));
    assert_eq!(said.constraints.iter().map(|item| item.at).collect::<Vec<_>>(), [(11, 19), (11, 31)]);
    assert_eq!(said.extends, Some(("base".parse().unwrap(), Some((12, 10)))));
}
