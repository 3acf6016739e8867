//! Summaries without a model: the sentences that say the most, in their order, word for word.

use std::collections::{HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation as _;

use crate::text::{BYTES_PER_TOKEN, shortened};

/// The longest sentence that is taken, in bytes: what is longer is a listing, of which the beginning has to do.
const SENTENCE_BYTES_MAX: usize = 400;
/// Words that are shorter say little, unless they are numbers.
const SHORT: usize = 3;

/// As many sentences as `tokens_max` allow. A sentence is worth the words in it that no better one has said already; words are
/// worth more if they are names or numbers, and if they come back. Never empty if one of the texts is not.
pub fn extract(texts: &[&str], tokens_max: usize) -> String {
    let sentences: Vec<(&str, HashSet<String>)> = texts
        .iter()
        .flat_map(|text| text.unicode_sentences().flat_map(str::lines))
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty())
        .map(|sentence| shortened(sentence, SENTENCE_BYTES_MAX))
        .map(|sentence| (sentence, words(sentence)))
        .collect();
    let worth = worth(&sentences);
    let mut room = tokens_max.saturating_mul(BYTES_PER_TOKEN);
    let mut said: HashSet<&str> = HashSet::new();
    let mut chosen: Vec<usize> = Vec::new();
    let mut open: Vec<usize> = (0..sentences.len()).collect();
    loop {
        let gain = |place: &usize| -> f64 {
            let (sentence, words) = &sentences[*place];
            let new: f64 =
                words.iter().filter(|word| !said.contains(word.as_str())).map(|word| worth[word.as_str()]).sum();
            new / (sentence.len() as f64).sqrt()
        };
        open.retain(|place| sentences[*place].0.len() < room);
        let best =
            open.iter().map(|place| (gain(place), *place)).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some((gain, place)) = best.filter(|(gain, _)| *gain > 0.0) else { break };
        debug_assert!(gain.is_finite());
        room -= sentences[place].0.len() + 1;
        said.extend(sentences[place].1.iter().map(String::as_str));
        chosen.push(place);
        open.retain(|other| *other != place);
    }
    chosen.sort_unstable();
    let text: Vec<&str> = chosen.into_iter().map(|place| sentences[place].0).collect();
    match (text.is_empty(), sentences.first()) {
        (true, Some((first, _))) => shortened(first, tokens_max.max(1).saturating_mul(BYTES_PER_TOKEN)).to_owned(),
        _ => text.join("\n"),
    }
}

fn words(sentence: &str) -> HashSet<String> {
    let is_telling = |word: &&str| word.chars().count() > SHORT || word.chars().any(char::is_numeric) || is_name(word);
    sentence.unicode_words().filter(is_telling).map(str::to_owned).collect()
}

/// In the middle of a sentence that is so; at its beginning it does no harm.
fn is_name(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_uppercase)
}

fn worth<'a>(sentences: &'a [(&str, HashSet<String>)]) -> HashMap<&'a str, f64> {
    let mut counts: HashMap<&str, f64> = HashMap::new();
    for word in sentences.iter().flat_map(|(_, words)| words) {
        *counts.entry(word).or_default() += 1.0;
    }
    let all = sentences.len() as f64;
    counts
        .into_iter()
        .map(|(word, count)| {
            let kind = if word.chars().any(char::is_numeric) {
                2.0
            } else if is_name(word) {
                1.5
            } else {
                1.0
            };
            // What stands in every sentence tells none of them apart.
            (word, kind * (1.0 + count).ln() * (1.0 + all / count).ln())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_says_the_most_is_kept_word_for_word_and_in_its_order() {
        let talk = [
            "Hello there. How are you today?",
            "The staging database runs on port 6432 at db7.internal. Well, you know how it is.",
            "Ok.",
            "Ada decided to use PostgreSQL 15 for billing because of its row locks.",
            "Thanks, that is good to know.",
        ];
        let summary = extract(&talk, 40);
        assert!(summary.contains("port 6432") && summary.contains("PostgreSQL 15"), "{summary}");
        assert!(summary.find("6432") < summary.find("PostgreSQL"));
        assert!(!summary.contains("How are you"), "{summary}");
    }

    proptest! {
        #[test]
        fn a_summary_is_within_its_limit_and_says_nothing_new(
            texts in prop::collection::vec("[A-Za-z0-9 .\n]{0,120}", 0..12), tokens in 1_usize..60
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let summary = extract(&texts, tokens);
            prop_assert!(summary.len() <= tokens * BYTES_PER_TOKEN);
            prop_assert!(summary.lines().all(|line| texts.iter().any(|text| text.contains(line))));
        }
    }
}
