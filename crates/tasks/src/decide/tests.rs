use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orchestrator_vocab::Timestamp;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::Strategy;
use super::*;

fn task(number: u128) -> TaskId {
    format!("task_{number:032x}").parse().unwrap()
}

fn agent(name: &str, capabilities: &str) -> Candidate {
    let capabilities = capabilities.split_whitespace().map(|name| name.parse().unwrap()).collect();
    Candidate::new(name.parse().unwrap(), capabilities)
}

fn ready(number: u128, class: &str) -> Ready {
    Ready {
        org: OrgId::LOCAL,
        class: class.into(),
        key: number as i64,
        id: task(number),
        priority: Priority::Medium,
        avoid: None,
    }
}

fn snapshot<'a>(ready: &'a [Ready], agents: &'a [Candidate]) -> Snapshot<'a> {
    let strategy = Strategy::CapabilityMatch;
    Snapshot { ready, agents, strategy, audience: Audience::Push, limit: usize::MAX }
}

/// The agents that got tasks, in the order of the backlog; `-` and the reason for what was skipped.
#[track_caller]
fn check(snapshot: &Snapshot<'_>, expected: &[&str]) {
    let decision = decide(snapshot);
    let assigned = decision.assignments.iter().map(|a| (a.task, a.agent.to_string()));
    let skipped = decision.skipped.iter().map(|skip| (skip.task, format!("- {:?}", skip.reason)));
    let all: BTreeMap<TaskId, String> = assigned.chain(skipped).collect();
    assert_eq!(all.into_values().collect::<Vec<_>>(), expected);
}

fn busy(mut agent: Candidate, running: u32, max_concurrent: u32) -> Candidate {
    (agent.running, agent.max_concurrent) = (running, max_concurrent);
    agent
}

#[test]
fn required_capabilities_are_a_filter() {
    let agents = [agent("a", "rust"), agent("b", "rust web")];
    check(&snapshot(&[ready(1, "rust web")], &agents), &["b"]);
}

#[test]
fn a_specialist_comes_before_a_generalist() {
    let agents = [agent("a", "rust web sql"), agent("b", "rust")];
    check(&snapshot(&[ready(1, "rust")], &agents), &["b"]);
}

#[test]
fn an_agent_with_failures_comes_after_one_without() {
    let failing = Candidate { recent_failures: 1, ..agent("a", "rust") };
    check(&snapshot(&[ready(1, "rust")], &[failing, agent("b", "rust")]), &["b"]);
}

#[test]
fn capacity_is_never_exceeded_and_what_is_left_waits() {
    let tasks = [ready(1, ""), ready(2, ""), ready(3, "")];
    check(&snapshot(&tasks, &[busy(agent("a", ""), 1, 3)]), &["a", "a", "- NoCapacity"]);
}

#[test]
fn the_order_is_that_of_the_keys_then_of_the_ids() {
    let mut tasks = [ready(1, ""), ready(2, ""), ready(3, "")];
    tasks[2].key = -5;
    tasks[1].key = 1;
    check(&snapshot(&tasks, &[agent("a", "")]), &["- NoCapacity", "- NoCapacity", "a"]);
    tasks[2].key = 9;
    check(&snapshot(&tasks, &[agent("a", "")]), &["a", "- NoCapacity", "- NoCapacity"]);
}

#[test]
fn equals_take_turns() {
    let agents = ["a", "b", "c"].map(|name| busy(agent(name, ""), 0, 2));
    let tasks: Vec<Ready> = (1..=6).map(|n| ready(n, "")).collect();
    let strategy = Strategy::RoundRobin;
    check(&Snapshot { strategy, ..snapshot(&tasks, &agents) }, &["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn whoever_waited_longest_is_next() {
    let mut agents = ["a", "b", "c"].map(|name| agent(name, ""));
    agents[0].last_assigned = Some(Timestamp(20));
    agents[1].last_assigned = Some(Timestamp(10));
    for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded, Strategy::CapabilityMatch] {
        let tasks = [ready(1, ""), ready(2, ""), ready(3, "")];
        check(&Snapshot { strategy, ..snapshot(&tasks, &agents) }, &["c", "b", "a"]);
    }
}

#[test]
fn the_least_loaded_has_the_largest_free_share() {
    let agents = [busy(agent("a", ""), 5, 10), busy(agent("b", ""), 1, 3)];
    let strategy = Strategy::LeastLoaded;
    check(&Snapshot { strategy, ..snapshot(&[ready(1, ""), ready(2, "")], &agents) }, &["b", "a"]);
}

#[test]
fn a_retry_avoids_the_agent_that_failed_it() {
    let retry = [Ready { avoid: Some("a".parse().unwrap()), ..ready(1, "rust") }];
    check(&snapshot(&retry, &[agent("a", "rust"), agent("b", "rust web")]), &["b"]);
}

#[test]
fn a_retry_waits_for_another_agent_that_is_busy() {
    let retry = [Ready { avoid: Some("a".parse().unwrap()), ..ready(1, "") }];
    check(&snapshot(&retry, &[agent("a", ""), busy(agent("b", ""), 1, 1)]), &["- NoCapacity"]);
}

#[test]
fn a_retry_returns_to_the_only_agent_that_can() {
    let retry = [Ready { avoid: Some("a".parse().unwrap()), ..ready(1, "rust") }];
    let unhealthy = Candidate { healthy: false, ..agent("b", "rust") };
    check(&snapshot(&retry, &[agent("a", "rust"), unhealthy, agent("c", "web")]), &["a"]);
}

#[test]
fn what_nobody_can_do_names_what_is_missing() {
    let agents = [agent("a", "rust"), agent("b", "web")];
    let tasks = [ready(1, "cobol rust"), ready(2, "rust web")];
    let missing = ["- NoCapableAgent { missing: [cobol] }", "- NoCapableAgent { missing: [] }"];
    check(&snapshot(&tasks, &agents), &missing);
}

#[test]
fn unhealthy_agents_get_nothing() {
    let sick = Candidate { healthy: false, ..agent("a", "") };
    let closed = busy(agent("b", ""), 0, 0);
    check(&snapshot(&[ready(1, "")], &[sick, closed]), &["- NoHealthyAgent"]);
}

#[test]
fn agents_that_pull_are_not_given_tasks() {
    let agents = [Candidate { accepts: Accepts::Pull, ..agent("a", "rust") }, agent("b", "web")];
    check(&snapshot(&[ready(1, "rust"), ready(2, "web")], &agents), &["- WaitsForPull", "b"]);
}

#[test]
fn an_agent_that_asks_gets_what_it_can_do_even_if_another_scores_higher() {
    let agents = [agent("a", "rust web"), agent("b", "rust")];
    let asking = "a".parse().unwrap();
    let tasks = [ready(1, "rust"), ready(2, "cobol")];
    let audience = Audience::One(&asking);
    check(&Snapshot { audience, ..snapshot(&tasks, &agents) }, &["a", "- NoCapableAgent { missing: [cobol] }"]);
}

#[test]
fn an_agent_that_asks_does_not_get_what_it_failed_while_another_can_do_it() {
    let asking = "a".parse().unwrap();
    let retry = [Ready { avoid: Some("a".parse().unwrap()), ..ready(1, "") }];
    let audience = Audience::One(&asking);
    check(&Snapshot { audience, ..snapshot(&retry, &[agent("a", ""), agent("b", "")]) }, &["- Avoided"]);
    check(&Snapshot { audience, ..snapshot(&retry, &[agent("a", "")]) }, &["a"]);
}

#[test]
fn no_more_is_assigned_than_the_limit() {
    let tasks = [ready(1, ""), ready(2, "")];
    let decision = decide(&Snapshot { limit: 1, ..snapshot(&tasks, &[busy(agent("a", ""), 0, 9)]) });
    assert_eq!((decision.assignments.len(), decision.skipped.len()), (1, 0));
}

#[test]
fn an_assignment_names_its_scores_and_the_losers_best_first() {
    let agents = [agent("a", "rust web sql sh"), agent("b", "rust"), agent("c", "rust web"), agent("d", "web")];
    let task = [Ready { priority: Priority::Critical, ..ready(1, "rust") }];
    let decision = decide(&snapshot(&task, &agents));
    let scores = Scores { capability: 40, load: 30, availability: 20, priority: 10, total: 100 };
    assert_eq!(decision.assignments[0].scores, scores);
    let losers: Vec<_> = decision.assignments[0].losers.iter().map(|l| (l.agent_id.as_str(), l.scores.total)).collect();
    assert_eq!(losers, [("c", 80), ("a", 70)]);
}

#[test]
fn of_many_losers_the_best_are_remembered() {
    let agents: Vec<Candidate> = (0..50).map(|n| busy(agent(&format!("a{n:02}"), ""), n, 50)).collect();
    let decision = decide(&Snapshot { strategy: Strategy::LeastLoaded, ..snapshot(&[ready(1, "")], &agents) });
    let losers: Vec<&str> = decision.assignments[0].losers.iter().map(|l| l.agent_id.as_str()).collect();
    assert_eq!(losers, (1..=LOSERS_MAX).map(|n| format!("a{n:02}")).collect::<Vec<_>>());
}

#[test]
fn explaining_says_of_each_agent_why_it_could_not() {
    let agents = [
        agent("a", "rust"),
        agent("b", "web"),
        busy(agent("c", "rust"), 2, 2),
        Candidate { healthy: false, ..agent("d", "rust") },
        busy(agent("e", "rust"), 0, 0),
        agent("f", "rust"),
    ];
    let task = Ready { avoid: Some("a".parse().unwrap()), ..ready(1, "rust") };
    let considered = consider(&task, &agents);
    let reasons: Vec<_> = considered.iter().map(|c| (c.agent_id.as_str(), c.why_not.clone())).collect();
    let expected = [
        ("f", None),
        ("a", Some(Ineligible::FailedItLast)),
        ("d", Some(Ineligible::Unhealthy)),
        ("c", Some(Ineligible::Busy { running: 2, max_concurrent: 2 })),
        ("e", Some(Ineligible::TakesNone)),
        ("b", Some(Ineligible::LacksCapabilities { missing: vec!["rust".parse().unwrap()] })),
    ];
    assert_eq!(reasons, expected);
}

const NAMES: [&str; 4] = ["rust", "web", "sql", "sh"];

fn some_capabilities() -> impl Generator<Value = BTreeSet<Capability>> {
    proptest::sample::subsequence(NAMES.to_vec(), 0..=4)
        .prop_map(|names| names.iter().map(|name| name.parse().unwrap()).collect())
}

fn any_agents() -> impl Generator<Value = Vec<Candidate>> {
    let any = (some_capabilities(), 0u32..4, 0u32..4, any::<bool>(), 0u32..6, any::<bool>());
    proptest::collection::vec(any, 0..8).prop_map(|all| {
        let with_name = |(n, (capabilities, running, max_concurrent, healthy, recent_failures, push))| Candidate {
            running,
            max_concurrent,
            healthy,
            recent_failures,
            accepts: if push { Accepts::Push } else { Accepts::Pull },
            ..Candidate::new(format!("agent{n}").parse().unwrap(), capabilities)
        };
        all.into_iter().enumerate().map(with_name).collect()
    })
}

fn any_ready() -> impl Generator<Value = Vec<Ready>> {
    let any = (some_capabilities(), -5i64..5, 0usize..4, proptest::option::of(0usize..8));
    proptest::collection::vec(any, 0..20).prop_map(|all| {
        let with_id = |(n, (required, key, priority, avoid)): (usize, (_, _, usize, Option<usize>))| Ready {
            key,
            priority: Priority::ALL[priority],
            avoid: avoid.map(|n| format!("agent{n}").parse().unwrap()),
            ..ready(n as u128, &class_of(&required))
        };
        all.into_iter().enumerate().map(with_id).collect()
    })
}

fn any_strategy() -> impl Generator<Value = Strategy> {
    prop_oneof![Just(Strategy::RoundRobin), Just(Strategy::LeastLoaded), Just(Strategy::CapabilityMatch)]
}

proptest! {
    #[test]
    fn every_assignment_is_allowed(agents in any_agents(), tasks in any_ready(), strategy in any_strategy()) {
        let decision = decide(&Snapshot { strategy, ..snapshot(&tasks, &agents) });
        prop_assert_eq!(decision.assignments.len() + decision.skipped.len(), tasks.len());
        let mut given: BTreeMap<&AgentId, u32> = BTreeMap::new();
        for assignment in &decision.assignments {
            let task = tasks.iter().find(|task| task.id == assignment.task).unwrap();
            let can = |agent: &&Candidate| {
                agent.works() && required_by(&task.class).all(|name| agent.capabilities.contains(name))
            };
            let able: Vec<&Candidate> = agents.iter().filter(can).collect();
            let winner = able.iter().find(|agent| agent.id == assignment.agent).unwrap();
            prop_assert_eq!(winner.accepts, Accepts::Push);
            prop_assert!(task.avoid.as_ref() != Some(&winner.id) || able.len() == 1);
            *given.entry(&assignment.agent).or_default() += 1;
        }
        for agent in &agents {
            let given = given.get(&agent.id).copied().unwrap_or(0);
            prop_assert!(given <= agent.free());
        }
    }

    #[test]
    fn nothing_is_skipped_while_somebody_free_could_do_it(
        agents in any_agents(), tasks in any_ready(), strategy in any_strategy()
    ) {
        let decision = decide(&Snapshot { strategy, ..snapshot(&tasks, &agents) });
        let mut after = agents.clone();
        for assignment in &decision.assignments {
            after.iter_mut().find(|agent| agent.id == assignment.agent).unwrap().running += 1;
        }
        let skipped: Vec<Ready> =
            decision.skipped.iter().map(|skip| tasks.iter().find(|t| t.id == skip.task).unwrap().clone()).collect();
        prop_assert!(decide(&snapshot(&skipped, &after)).assignments.is_empty());
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        agents in any_agents(), tasks in any_ready(), strategy in any_strategy()
    ) {
        let reversed: (Vec<_>, Vec<_>) = (agents.iter().rev().cloned().collect(), tasks.iter().rev().cloned().collect());
        let one = decide(&Snapshot { strategy, ..snapshot(&tasks, &agents) });
        let other = decide(&Snapshot { strategy, ..snapshot(&reversed.1, &reversed.0) });
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_task_waits_behind_at_most_what_became_ready_450_seconds_after_it(
        waiting in proptest::collection::vec((0i64..2_000_000, 0usize..4), 1..40)
    ) {
        let with_key = |(n, (ready_at, priority)): (usize, &(i64, usize))| {
            let priority = Priority::ALL[*priority];
            Ready { key: priority.ready_key(Timestamp(*ready_at), Duration::from_secs(6)), priority, ..ready(n as u128, "") }
        };
        let tasks: Vec<Ready> = waiting.iter().enumerate().map(with_key).collect();
        let decision = decide(&snapshot(&tasks, &[busy(agent("a", ""), 0, 100)]));
        let ready_at = |id| waiting[tasks.iter().position(|task| task.id == id).unwrap()].0;
        let served: Vec<i64> = decision.assignments.iter().map(|a| ready_at(a.task)).collect();
        for (place, mine) in served.iter().enumerate() {
            prop_assert!(served[..place].iter().all(|earlier| *earlier <= mine + 450_000));
        }
    }
}

fn pooled(name: &str, running: u32, max: u32) -> Candidate {
    let pool = Some(Pool { name: "developer".into(), max });
    Candidate { pool, ..busy(agent(name, ""), running, 100) }
}

#[test]
fn agents_of_a_pool_have_no_more_tasks_together_than_its_bound() {
    let waiting: Vec<Ready> = (0..200).map(|n| ready(n, "")).collect();
    let agents: Vec<Candidate> = (0..10).map(|n| pooled(&format!("d{n}"), u32::from(n == 0), 5)).collect();
    let decision = decide(&snapshot(&waiting, &agents));
    assert_eq!(decision.assignments.len(), 4);
    assert!(decision.skipped.iter().all(|skip| skip.reason == SkipReason::NoCapacity));
    let free = agent("free", "");
    let decision = decide(&snapshot(&waiting, &[agents, vec![busy(free, 0, 3)]].concat()));
    assert_eq!(decision.assignments.len(), 7, "others are not held up");
}
