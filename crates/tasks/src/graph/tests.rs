use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn task(number: usize) -> TaskId {
    format!("task_{number:032x}").parse().unwrap()
}

fn pair((from, to): (usize, usize)) -> Pair {
    (task(from), task(to))
}

fn pairs(edges: &[(usize, usize)]) -> Vec<Pair> {
    edges.iter().copied().map(pair).collect()
}

#[track_caller]
fn check(edges: &[(usize, usize)], refused: (usize, usize), path: &[usize]) {
    let mut graph = Graph::default();
    graph.add(&pairs(edges)).unwrap();
    let cycle = graph.add(&[pair(refused)]).unwrap_err();
    assert_eq!(cycle.path, path.iter().copied().map(task).collect::<Vec<_>>());
}

#[test]
fn a_task_cannot_wait_for_itself() {
    check(&[], (1, 1), &[1, 1]);
}

#[test]
fn the_cycle_is_shown_from_the_task_that_closes_it_back_to_itself() {
    check(&[(1, 2)], (2, 1), &[2, 1, 2]);
    check(&[(1, 2), (2, 3)], (3, 1), &[3, 1, 2, 3]);
}

#[test]
fn the_shortest_cycle_is_shown() {
    check(&[(1, 2), (2, 3), (3, 4), (1, 4)], (4, 1), &[4, 1, 4]);
}

#[test]
fn a_long_cycle_is_shown_by_its_two_ends() {
    let chain: Vec<(usize, usize)> = (0..100).map(|n| (n, n + 1)).collect();
    let path: Vec<usize> = std::iter::once(100).chain(0..9).chain(91..=100).collect();
    check(&chain, (100, 0), &path);
}

#[test]
fn a_refused_batch_leaves_no_edge_behind() {
    let mut graph = Graph::default();
    graph.add(&pairs(&[(1, 2)])).unwrap();
    graph.add(&pairs(&[(2, 3), (3, 4), (3, 1)])).unwrap_err();
    assert_eq!(graph.add(&pairs(&[(3, 2), (4, 3)])), Ok(pairs(&[(3, 2), (4, 3)])));
}

#[test]
fn an_edge_that_exists_is_not_new() {
    let mut graph = Graph::default();
    assert_eq!(graph.add(&pairs(&[(1, 2), (1, 2)])), Ok(pairs(&[(1, 2)])));
    assert_eq!(graph.add(&pairs(&[(1, 2)])), Ok(vec![]));
}

#[test]
fn a_removed_edge_closes_no_cycle() {
    let mut graph = Graph::default();
    graph.add(&pairs(&[(1, 2), (2, 3)])).unwrap();
    graph.remove(&pairs(&[(2, 3), (7, 8)]));
    graph.add(&pairs(&[(3, 1)])).unwrap();
    graph.remove(&pairs(&[(1, 2), (3, 1)]));
    graph.add(&pairs(&[(2, 1), (1, 3)])).unwrap();
}

#[test]
fn tasks_without_edges_are_forgotten() {
    let mut graph = Graph::default();
    for _ in 0..10 {
        graph.add(&pairs(&[(1, 2), (2, 3), (4, 3)])).unwrap();
        graph.add(&pairs(&[(5, 5)])).unwrap_err();
        graph.remove(&pairs(&[(1, 2), (2, 3), (4, 3)]));
    }
    assert!(graph.slots.is_empty());
    assert!(graph.nodes.len() <= 5, "slots are used again");
}

/// Generous: a search per edge would be 50 million steps, some seconds in a debug build.
const LINEAR: Duration = Duration::from_millis(400);

#[track_caller]
fn linear(edges: impl Iterator<Item = (usize, usize)>) -> Graph {
    let mut graph = Graph::default();
    let started = Instant::now();
    for edge in edges {
        graph.add(&[pair(edge)]).unwrap();
    }
    assert!(started.elapsed() < LINEAR, "{:?}", started.elapsed());
    graph
}

#[test]
fn a_chain_of_ten_thousand_grows_in_linear_time_at_both_ends() {
    linear((0..10_000).map(|n| (n + 1, n)));
    linear((0..10_000).map(|n| (n, n + 1)));
    linear((0..10_000).rev().map(|n| (n, n + 1)));
}

#[test]
fn ten_thousand_that_wait_for_one_are_linked_in_linear_time() {
    linear((1..=10_000).map(|n| (n, 0)));
    linear((1..=10_000).map(|n| (0, n)));
}

#[test]
fn closing_a_chain_of_ten_thousand_is_found_in_one_search() {
    let mut graph = linear((0..10_000).map(|n| (n + 1, n)));
    let started = Instant::now();
    let cycle = graph.add(&[pair((0, 10_000))]).unwrap_err();
    assert_eq!(cycle.path.len(), CYCLE_SHOWN_MAX);
    let generous_for_a_debug_build = Duration::from_millis(50);
    assert!(started.elapsed() < generous_for_a_debug_build, "{:?}", started.elapsed());
}

/// The same by searching the whole graph each time.
#[derive(Default)]
struct Naive(BTreeMap<usize, BTreeSet<usize>>);

impl Naive {
    fn reaches(&self, from: usize, to: usize) -> bool {
        let (mut stack, mut seen) = (vec![from], BTreeSet::new());
        while let Some(next) = stack.pop() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                stack.extend(self.0.get(&next).into_iter().flatten());
            }
        }
        false
    }

    fn add(&mut self, (from, to): (usize, usize)) -> bool {
        !self.reaches(to, from) && {
            self.0.entry(from).or_default().insert(to);
            true
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Add(usize, usize),
    Remove(usize, usize),
}

fn any_change() -> impl Strategy<Value = Change> {
    let one = 0..12usize;
    prop_oneof![
        8 => (one.clone(), one.clone()).prop_map(|(a, b)| Change::Add(a, b)),
        3 => (one.clone(), one).prop_map(|(a, b)| Change::Remove(a, b)),
    ]
}

fn assert_ordered(graph: &Graph) {
    for node in &graph.nodes {
        let later = node.waits_for.iter().all(|to| node.position < graph.nodes[*to as usize].position);
        assert!(later, "every task comes before those it waits for");
    }
    let positions: BTreeSet<i64> = graph.slots.values().map(|slot| graph.nodes[*slot as usize].position).collect();
    assert_eq!(positions.len(), graph.slots.len(), "no two share a position");
}

proptest! {
    #[test]
    fn it_refuses_exactly_what_a_search_of_the_whole_graph_refuses(
        changes in proptest::collection::vec(any_change(), 0..120)
    ) {
        let (mut graph, mut naive) = (Graph::default(), Naive::default());
        for change in changes {
            match change {
                Change::Add(from, to) => {
                    let result = graph.add(&[pair((from, to))]);
                    prop_assert_eq!(result.is_ok(), naive.add((from, to)));
                    if let Err(Cycle { path }) = result {
                        prop_assert_eq!((path[0], path[1]), pair((from, to)));
                        prop_assert_eq!(path.last(), Some(&task(from)));
                    }
                }
                Change::Remove(from, to) => {
                    graph.remove(&[pair((from, to))]);
                    naive.0.entry(from).or_default().remove(&to);
                }
            }
            assert_ordered(&graph);
        }
    }
}
