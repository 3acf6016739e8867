use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::Price;

const NEEDS: Needs = Needs { input_tokens: 100, output_tokens: None, tools: false, vision: false, thinking: false };

fn candidate() -> Candidate {
    Candidate { facts: Facts::default(), admission: Admission::Yes, first_token: None, busy: 0 }
}

fn knowing(facts: Facts) -> Candidate {
    Candidate { facts, ..candidate() }
}

fn priced(input: u64) -> Candidate {
    knowing(Facts { price: Some(Price { input, output: 0, ..Price::default() }), ..Facts::default() })
}

fn begun(millis: u64) -> Candidate {
    Candidate { first_token: Some(Duration::from_millis(millis)), ..candidate() }
}

fn circumstances(strategy: Strategy) -> Circumstances<'static> {
    Circumstances { strategy, pinned: 0, degraded: &[], turn: 0, today: "2026-11-28" }
}

#[track_caller]
fn ordered(strategy: Strategy, candidates: &[Candidate], expected: &[usize]) {
    assert_eq!(decide(candidates, &NEEDS, circumstances(strategy)).order, expected);
}

#[test]
fn each_strategy_has_its_order() {
    ordered(Strategy::Failover, &[priced(9), priced(1)], &[0, 1]);
    ordered(Strategy::Cost, &[candidate(), priced(9), priced(1)], &[2, 1, 0]);
    ordered(Strategy::Latency, &[begun(30), begun(10), candidate()], &[2, 1, 0]);
    let busy = |busy, input| Candidate { busy, ..priced(input) };
    ordered(Strategy::Balanced, &[busy(9, 1), busy(0, 1), busy(0, 5)], &[1, 0, 2]);
}

#[test]
fn round_robin_begins_with_each_in_turn() {
    let candidates = [candidate(), candidate(), candidate()];
    let first = |turn| {
        let circumstances = Circumstances { turn, ..circumstances(Strategy::RoundRobin) };
        decide(&candidates, &NEEDS, circumstances).order[0]
    };
    assert_eq!((0..4).map(first).collect::<Vec<_>>(), [0, 1, 2, 0]);
}

#[test]
fn who_was_asked_for_by_name_is_first() {
    let circumstances = Circumstances { pinned: 1, ..circumstances(Strategy::Cost) };
    assert_eq!(decide(&[priced(9), priced(5), priced(1)], &NEEDS, circumstances).order, [0, 2, 1]);
}

#[test]
fn who_is_too_dear_is_asked_last_unless_the_cheaper_one_cannot_do_it() {
    let degraded = Circumstances { pinned: 2, degraded: &[(0, 1)], ..circumstances(Strategy::Latency) };
    let of = |cheaper| decide(&[cheaper, begun(20), begun(10)], &NEEDS, degraded).order;
    assert_eq!(of(begun(30)), [0, 2, 1]);
    let small = knowing(Facts { context_window: Some(99), ..Facts::default() });
    assert_eq!(of(small), [1, 2], "the one that was asked for stays first");
    let resting = Candidate { admission: Admission::No(Duration::from_millis(5)), ..candidate() };
    assert_eq!(of(resting), [1, 2]);
}

#[track_caller]
fn skipped(facts: Facts, needs: &Needs, expected: &Skip) {
    let decision = decide(&[knowing(facts)], needs, circumstances(Strategy::Failover));
    assert_eq!((decision.order, decision.skipped), (vec![], vec![(0, expected.clone())]));
}

#[test]
fn who_cannot_do_it_is_skipped_and_it_is_said_why() {
    let facts = Facts::default;
    let window = Facts { context_window: Some(99), ..facts() };
    skipped(window, &NEEDS, &Skip::ContextWindow { needed: 100, window: 99 });
    skipped(Facts { tools: Some(false), ..facts() }, &Needs { tools: true, ..NEEDS }, &Skip::NoTools);
    skipped(Facts { vision: Some(false), ..facts() }, &Needs { vision: true, ..NEEDS }, &Skip::NoVision);
    skipped(Facts { thinking: Some(false), ..facts() }, &Needs { thinking: true, ..NEEDS }, &Skip::NoThinking);
    let asked = Needs { output_tokens: Some(11), ..NEEDS };
    skipped(Facts { output_max: Some(10), ..facts() }, &asked, &Skip::OutputMax { needed: 11, most: 10 });
    let on = "2026-11-28".to_owned();
    skipped(Facts { retires: Some(on.clone()), ..facts() }, &NEEDS, &Skip::Retired { on });
    let needy = Needs { tools: true, vision: true, thinking: true, ..NEEDS };
    assert_eq!(
        decide(&[candidate()], &needy, circumstances(Strategy::Failover)).order,
        [0],
        "what is unknown is tried"
    );
}

#[test]
fn an_open_circuit_is_skipped_and_one_to_be_probed_is_not() {
    let open = Candidate { admission: Admission::No(Duration::from_millis(5)), ..candidate() };
    let probe = Candidate { admission: Admission::Probe, ..candidate() };
    let decision = decide(&[open, probe], &NEEDS, circumstances(Strategy::Failover));
    assert_eq!((decision.order, decision.skipped), (vec![1], vec![(0, Skip::CircuitOpen { retry_in_ms: 5 })]));
}

fn any_candidate() -> impl Generator<Value = Candidate> {
    let admission = prop_oneof![
        Just(Admission::Yes),
        Just(Admission::Probe),
        (0_u64..9).prop_map(|millis| Admission::No(Duration::from_millis(millis)))
    ];
    let facts = (proptest::option::of(0_u64..200), proptest::option::of(any::<bool>()), proptest::option::of(0_u64..9));
    (admission, facts, proptest::option::of(0_u64..9), 0_usize..3).prop_map(|(admission, facts, first, busy)| {
        let (context_window, tools, input) = facts;
        let price = input.map(|input| Price { input, output: 1, ..Price::default() });
        let facts = Facts { context_window, tools, price, ..Facts::default() };
        Candidate { facts, admission, first_token: first.map(Duration::from_millis), busy }
    })
}

proptest! {
    /// Nobody is lost, nobody is asked twice, and whether one is skipped depends on itself alone.
    #[test]
    fn every_candidate_is_asked_or_skipped(
        candidates in proptest::collection::vec(any_candidate(), 0..8), turn in any::<usize>(), tools in any::<bool>(),
        pinned in 0_usize..3, degraded in proptest::collection::vec((0_usize..8, 0_usize..8), 0..3),
    ) {
        let needs = Needs { tools, ..NEEDS };
        for strategy in [Strategy::Failover, Strategy::Cost, Strategy::Latency, Strategy::Balanced, Strategy::RoundRobin] {
            let circumstances = Circumstances { strategy, pinned, degraded: &degraded, turn, today: "2026-11-28" };
            let decision = decide(&candidates, &needs, circumstances);
            let mut all: Vec<usize> = decision.skipped.iter().map(|(number, _)| *number).collect();
            all.extend(&decision.order);
            all.sort_unstable();
            prop_assert_eq!(all, (0..candidates.len()).collect::<Vec<_>>());
            for number in &decision.order {
                let alone = decide(&candidates[*number..=*number], &needs, circumstances);
                prop_assert_eq!(alone.order.len(), 1);
            }
        }
    }
}
