use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation as _;

use super::Hit;

/// From this share of common words on, two texts say the same.
const SAME: f64 = 0.85;
/// Words that turn a sentence around, in English; what differs by one of them is a contradiction, not a repetition.
const TURNING: [&str; 12] =
    ["not", "no", "never", "none", "without", "isn't", "aren't", "don't", "doesn't", "won't", "cannot", "can't"];

/// The best so many, without what the better ones say already; that it was there is remembered. Contradictions stay, side by side.
pub(crate) fn merge(hits: Vec<Hit>, limit: usize) -> Vec<Hit> {
    let mut kept: Vec<(Hit, BTreeSet<String>)> = Vec::with_capacity(limit.min(hits.len()));
    for hit in hits {
        // Comparing with each takes time, and who is not asked for is not told of.
        if kept.len() == limit {
            break;
        }
        let words = words(&hit.memory.text);
        let same = kept.iter_mut().find(|(other, theirs)| {
            let held = |hit: &Hit| (hit.memory.valid_to, hit.memory.state);
            held(other) == held(&hit) && say_the_same(theirs, &words)
        });
        match same {
            Some((other, _)) => other.same.push(hit.memory.id),
            None => kept.push((hit, words)),
        }
    }
    kept.into_iter().map(|(hit, _)| hit).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    text.unicode_words().map(str::to_lowercase).collect()
}

fn say_the_same(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let common = a.intersection(b).count();
    let all = a.len() + b.len() - common;
    let is_close = all == 0 || common as f64 >= SAME * all as f64;
    is_close && !contradict(a, b)
}

fn contradict(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let turns = |word: &String| TURNING.contains(&word.as_str()) || word.chars().any(char::is_numeric);
    a.symmetric_difference(b).any(turns)
}

/// Whether two texts differ by a number, or by a word that turns a sentence around.
pub(crate) fn is_contradicted(a: &str, b: &str) -> bool {
    contradict(&words(a), &words(b))
}

/// Whether two texts say the same, as [`merge`] sees it.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    say_the_same(&words(a), &words(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_the_same_and_contradictions_are_not() {
        let base = "The deployment of the billing service runs every night at three from the main branch";
        assert!(is_same(
            base,
            "the deployment of the billing service runs every night at three, from the main branch!"
        ));
        assert!(!is_same(base, &base.replace("runs", "never runs")));
        assert!(!is_same("Ada's port is 8080 on the build machine", "Ada's port is 9090 on the build machine"));
        assert!(!is_same(base, "The billing service is written in Rust"));
    }
}
