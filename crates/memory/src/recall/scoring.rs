use std::collections::HashMap;

use orchestrator_vocab::Timestamp;

use super::{Parts, Why, recency};
use crate::analysis::counts;
use crate::config::Reckoned;
use crate::{Corpus, Stored};

/// How fast repetitions of a word stop to count, and how much long texts lose: the usual choice (Robertson and Zaragoza, "The
/// Probabilistic Relevance Framework: BM25 and Beyond", 2009).
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// The most terms of a question; a longer one keeps those that say the most.
const TERMS_MAX: usize = 32;
/// So many memories may hold the terms that are looked for: beyond this, frequent ones only count where rarer ones found
/// something. It bounds what a question costs, whatever is stored.
const HOLDING_MAX: u64 = 4_000;

/// The terms of a question, weighed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Terms {
    /// All that count, each with its weight (the inverse document frequency).
    pub(crate) weights: Vec<(String, f64)>,
    /// How many of them, the weightiest first, are looked for.
    pub(crate) sought: usize,
    /// Words in a text on average.
    average: f64,
}

/// Weighs terms by how rare they are. What nothing holds is left out of the search, and still counts as not found.
pub(crate) fn terms(asked: Vec<String>, corpus: &Corpus) -> Terms {
    let count = corpus.count.max(1) as f64;
    let holding = |term: &String| corpus.holding.get(term).copied().unwrap_or(0);
    let weight = |held: u64| (1.0 + (count - held as f64 + 0.5).max(0.0) / (held as f64 + 0.5)).ln();
    let mut weighed: Vec<(String, f64, u64)> = asked
        .into_iter()
        .map(|term| {
            let held = holding(&term);
            (term, weight(held), held)
        })
        .collect();
    weighed.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    // Unknown words weigh the most; they must not crowd out those that can be found.
    let (known, unknown): (Vec<_>, Vec<_>) = weighed.into_iter().partition(|(_, _, held)| *held > 0);
    let mut sought = 0;
    let mut together = 0;
    for (_, _, held) in known.iter().take(TERMS_MAX) {
        together += held;
        if sought > 0 && together > HOLDING_MAX {
            break;
        }
        sought += 1;
    }
    let weights = known.into_iter().take(TERMS_MAX).chain(unknown.into_iter().take(TERMS_MAX));
    Terms {
        weights: weights.map(|(term, weight, _)| (term, weight)).collect(),
        sought,
        average: (corpus.words as f64 / count).max(1.0),
    }
}

impl Terms {
    /// Those that are looked for.
    pub(crate) fn sought(&self) -> &[(String, f64)] {
        &self.weights[..self.sought]
    }

    /// How much of what was asked for stands in a text, from 0 to 1, and by which terms.
    fn score(&self, terms: &str) -> (f32, Vec<(String, f32)>) {
        let (counts, length) = counts(terms);
        let most: f64 = self.weights.iter().map(|(_, weight)| weight * (K1 + 1.0)).sum();
        if most <= 0.0 {
            return (0.0, Vec::new());
        }
        let part = |(term, weight): &(String, f64)| {
            let frequency = f64::from(*counts.get(term.as_str())?);
            let long = 1.0 - B + B * f64::from(length) / self.average;
            let share = weight * frequency * (K1 + 1.0) / (frequency + K1 * long) / most;
            #[expect(clippy::cast_possible_truncation, reason = "a share")]
            let share = share as f32;
            Some((term.clone(), share))
        };
        let found: Vec<(String, f32)> = self.weights.iter().filter_map(part).collect();
        (found.iter().map(|(_, share)| share).sum::<f32>().min(1.0), found)
    }
}

/// What is known of how well memories answer.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) terms: &'a Terms,
    /// Cosines by number, if the question has a vector.
    pub(crate) meaning: Option<&'a HashMap<i64, f32>>,
    pub(crate) weights: Reckoned,
    pub(crate) parts: Parts,
    pub(crate) now: Timestamp,
}

impl Evidence<'_> {
    /// Of one memory, without its neighbours.
    pub(crate) fn weigh(&self, stored: &Stored) -> Why {
        let words = self.parts.words.then(|| self.terms.score(&stored.terms));
        let meaning = self.meaning.map(|meaning| meaning.get(&stored.number).copied().unwrap_or(0.0).clamp(0.0, 1.0));
        let relevance = match (&words, meaning) {
            (Some((words, _)), Some(meaning)) => self.weights.meaning * meaning + (1.0 - self.weights.meaning) * words,
            (Some((words, _)), None) => *words,
            (None, Some(meaning)) => meaning,
            (None, None) => 0.0,
        };
        let (words, terms) = words.map_or((None, Vec::new()), |(score, terms)| (Some(score), terms));
        Why {
            words,
            terms,
            meaning,
            relevance,
            recency: recency(stored.memory.created_at, self.now, self.weights.half_life_days),
            importance: stored.memory.importance,
            neighbours: 0.0,
        }
    }

    /// All parts together.
    pub(crate) fn total(&self, why: &Why) -> f32 {
        if !self.parts.circumstances {
            return why.relevance;
        }
        let Reckoned { recency, importance, .. } = self.weights;
        let lost = recency * (1.0 - why.recency) + importance * (1.0 - why.importance);
        (why.relevance * (1.0 - lost) + why.neighbours).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn corpus(count: u64, holding: &[(&str, u64)]) -> Corpus {
        let holding = holding.iter().map(|(term, held)| ((*term).to_owned(), *held)).collect();
        Corpus { count, words: count * 10, holding }
    }

    #[test]
    fn rare_words_weigh_more_and_frequent_ones_are_not_sought_in_large_stores() {
        let asked = || ["the", "databas", "anna", "zzz"].map(str::to_owned).to_vec();
        let found = terms(asked(), &corpus(100_000, &[("the", 90_000), ("databas", 3_000), ("anna", 40)]));
        let sought: Vec<&str> = found.sought().iter().map(|(term, _)| term.as_str()).collect();
        assert_eq!(sought, ["anna", "databas"]);
        assert_eq!(found.weights.len(), 4);
        let few = terms(asked(), &corpus(10, &[("the", 9), ("databas", 3), ("anna", 1)]));
        assert_eq!(few.sought().len(), 3);
        let only = terms(vec!["the".into()], &corpus(100_000, &[("the", 90_000)]));
        assert_eq!(only.sought().len(), 1, "something is always looked for");
    }

    #[test]
    fn a_text_with_all_words_scores_more_than_one_with_some() {
        let asked = terms(vec!["a".into(), "b".into()], &corpus(10, &[("a", 5), ("b", 5)]));
        let of = |text: &str| asked.score(text).0;
        assert!(of("a b c") > of("a c d") && of("a c d") > of("c d e"));
        assert!(of("a c d") > of("a c d e f g h i j k l m n o p q"));
        assert_eq!(of(""), 0.0);
    }

    proptest! {
        #[test]
        fn scores_are_shares(text in "[a-f ]{0,80}", held in prop::collection::vec(0_u64..50, 4), count in 1_u64..60) {
            let names = ["a", "b", "c", "d"];
            let holding: Vec<(&str, u64)> = names.into_iter().zip(held).collect();
            let asked = terms(names.map(str::to_owned).to_vec(), &corpus(count, &holding));
            let (score, parts) = asked.score(&text);
            prop_assert!((0.0..=1.0).contains(&score));
            prop_assert!(parts.iter().all(|(_, share)| *share >= 0.0));
        }
    }
}
