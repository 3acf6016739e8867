//! How good an order of results is, by what judges said.

use std::collections::HashMap;

/// What a result is worth; what is not in it is worth nothing.
pub(crate) type Gains = HashMap<u32, f64>;

/// Normalised discounted cumulative gain of the first `depth`, from 0 to 1: gains count less the further down they stand, by
/// 1 / log2(place + 1), against the best order of everything that has a gain. 0 if nothing has.
///
/// A result that comes twice counts once, where it comes first.
pub(crate) fn ndcg(found: &[u32], gains: &Gains, depth: usize) -> f64 {
    let mut seen = std::collections::HashSet::new();
    let gain = |number: &u32| if seen.insert(*number) { gains.get(number).copied().unwrap_or(0.0) } else { 0.0 };
    let reached = discounted(found.iter().take(depth).map(gain));
    let mut best: Vec<f64> = gains.values().copied().collect();
    best.sort_by(|a, b| b.total_cmp(a));
    let ideal = discounted(best.into_iter().take(depth));
    if ideal > 0.0 { reached / ideal } else { 0.0 }
}

fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    gains.zip(2_u32..).map(|(gain, place)| gain / f64::from(place).log2()).sum()
}

/// How much of what has a gain is among the first `depth`.
pub(crate) fn recall(found: &[u32], gains: &Gains, depth: usize) -> f64 {
    let relevant = gains.values().filter(|gain| **gain > 0.0).count();
    let distinct: std::collections::HashSet<&u32> = found.iter().take(depth).collect();
    let reached = distinct.into_iter().filter(|number| is_relevant(number, gains)).count();
    if relevant > 0 { reached as f64 / relevant as f64 } else { 0.0 }
}

/// One divided by the place of the first that has a gain.
pub(crate) fn reciprocal_rank(found: &[u32], gains: &Gains) -> f64 {
    let place = found.iter().position(|number| is_relevant(number, gains));
    place.map_or(0.0, |place| 1.0 / (place + 1) as f64)
}

fn is_relevant(number: &u32, gains: &Gains) -> bool {
    gains.get(number).is_some_and(|gain| *gain > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gains(of: &[(u32, f64)]) -> Gains {
        of.iter().copied().collect()
    }

    #[track_caller]
    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-5, "found {found}, expected {expected}");
    }

    /// The example of Wikipedia's article on discounted cumulative gain: gains 3, 2, 3, 0, 1, 2 in the order found, and two more
    /// of 3 and 2 that were not found. DCG 6.861, ideal 8.740.
    #[test]
    fn the_example_of_the_literature_comes_out() {
        let of = gains(&[(1, 3.0), (2, 2.0), (3, 3.0), (4, 0.0), (5, 1.0), (6, 2.0), (7, 3.0), (8, 2.0)]);
        check(ndcg(&[1, 2, 3, 4, 5, 6], &of, 6), 6.861_126_688_593_501 / 8.740_262_365_546_284);
        // Without the two that were not found the ideal is 7.141.
        let of = gains(&[(1, 3.0), (2, 2.0), (3, 3.0), (5, 1.0), (6, 2.0)]);
        check(ndcg(&[1, 2, 3, 4, 5, 6], &of, 6), 0.960_8);
    }

    #[test]
    fn only_the_first_count_and_the_ideal_is_cut_as_well() {
        let of = gains(&[(1, 1.0), (2, 1.0), (3, 1.0)]);
        check(ndcg(&[1, 2], &of, 2), 1.0);
        check(ndcg(&[9, 1, 2, 3], &of, 1), 0.0);
        // One of three, at the second place: 1/log2(3) over 1 + 1/log2(3) + 1/log2(4).
        check(ndcg(&[9, 1], &of, 10), 0.630_93 / 2.130_93);
        check(ndcg(&[1, 1, 1], &of, 10), 1.0 / 2.130_93);
        check(ndcg(&[], &of, 10), 0.0);
        check(ndcg(&[1], &Gains::new(), 10), 0.0);
    }

    #[test]
    fn more_relevant_first_is_better() {
        let of = gains(&[(1, 4.0), (2, 1.0)]);
        check(ndcg(&[1, 2], &of, 10), 1.0);
        check(ndcg(&[2, 1], &of, 10), (1.0 + 4.0 / 1.584_962_5) / (4.0 + 1.0 / 1.584_962_5));
    }

    #[test]
    fn recall_and_rank_count_what_is_relevant() {
        let of = gains(&[(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0), (5, 0.0)]);
        check(recall(&[5, 1, 2, 9], &of, 10), 0.5);
        check(recall(&[5, 1, 2, 9], &of, 2), 0.25);
        check(recall(&[1, 1], &of, 10), 0.25);
        check(reciprocal_rank(&[5, 9, 3], &of), 1.0 / 3.0);
        check(reciprocal_rank(&[5, 9], &of), 0.0);
    }
}
