use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use orchestrator_transcript::Usage;
use orchestrator_vocab::{AgentId, OrgId};

use crate::Answered;

/// From how many answers on they are trusted to tell what the next one is like.
const ENOUGH: usize = 8;
/// How many answers of a model to an agent are remembered.
pub(crate) const REMEMBERED: usize = 100;
/// How many models and agents are remembered; beyond it everything is forgotten and read again.
const PAIRS_MAX: usize = 4_096;

/// Whose answers are alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    pub(crate) org: OrgId,
    pub(crate) model: String,
    pub(crate) agent: Option<AgentId>,
}

/// What answers used lately, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Experience(Mutex<HashMap<Pair, VecDeque<Answered>>>);

/// What an answer may use, so that one in twenty needs more: what is reserved in vain keeps others out, and what is not reserved
/// must be had in the middle.
pub(crate) fn expected(lately: &[Answered], input: u64, output_max: Option<u64>, output_usual: u64) -> Usage {
    let most = output_max.unwrap_or(u64::MAX);
    if lately.len() < ENOUGH {
        return Usage { input, output: output_usual.min(most), ..Usage::default() };
    }
    let output = nineteen_of_twenty(lately.iter().map(|answer| answer.output)).min(most);
    // By how much more input is counted than was expected, in thousandths.
    let ratio = |answer: &Answered| {
        u64::try_from((u128::from(answer.input) * 1_000).div_ceil(u128::from(answer.input_expected.max(1))))
            .unwrap_or(u64::MAX)
    };
    let permille = nineteen_of_twenty(lately.iter().map(ratio));
    let input = u64::try_from((u128::from(input) * u128::from(permille)).div_ceil(1_000)).unwrap_or(u64::MAX);
    Usage { input, output, ..Usage::default() }
}

/// The least of them that is not less than 19 of 20.
fn nineteen_of_twenty(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let place = (values.len() * 19).div_ceil(20);
    values.get(place.saturating_sub(1)).copied().unwrap_or(0)
}

impl Experience {
    fn pairs(&self) -> MutexGuard<'_, HashMap<Pair, VecDeque<Answered>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if it was never asked for; then [`read`](Self::read) what the ledger knows.
    pub(crate) fn lately(&self, pair: &Pair) -> Option<Vec<Answered>> {
        self.pairs().get(pair).map(|answers| answers.iter().copied().collect())
    }

    /// What the ledger knows, the newest first.
    pub(crate) fn read(&self, pair: Pair, answers: &[Answered]) {
        let mut pairs = self.pairs();
        if pairs.len() >= PAIRS_MAX {
            pairs.clear();
        }
        pairs.entry(pair).or_insert_with(|| answers.iter().rev().copied().collect());
    }

    pub(crate) fn learn(&self, pair: &Pair, answer: Answered) {
        if let Some(answers) = self.pairs().get_mut(pair) {
            if answers.len() == REMEMBERED {
                answers.pop_front();
            }
            answers.push_back(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answers(outputs: impl IntoIterator<Item = u64>) -> Vec<Answered> {
        outputs.into_iter().map(|output| Answered { input_expected: 100, input: 150, output }).collect()
    }

    #[test]
    fn until_it_is_known_the_usual_is_expected() {
        assert_eq!(expected(&answers(1..8), 100, None, 1_024).output, 1_024);
        assert_eq!(expected(&[], 100, Some(50), 1_024), Usage { input: 100, output: 50, ..Usage::default() });
    }

    #[test]
    fn nineteen_of_twenty_answers_fit() {
        let usage = expected(&answers((1..=20).map(|number| number * 10)), 100, None, 1_024);
        assert_eq!((usage.output, usage.input), (190, 150), "input is counted as it was counted before");
        assert_eq!(expected(&answers([500; 20]), 0, Some(300), 1_024).output, 300);
    }

    proptest! {
        #[test]
        fn an_estimate_neither_starves_nor_leaks(outputs in proptest::collection::vec(0_u64..100_000, 8..100)) {
            let output = expected(&answers(outputs.clone()), 1, None, 1).output;
            let fitting = outputs.iter().filter(|used| **used <= output).count();
            prop_assert!(fitting * 20 >= outputs.len() * 19);
            prop_assert!(outputs.contains(&output));
        }
    }
}
