//! Texts as the words they are found by: the same on every database, for what is stored and for what is asked.

use std::collections::{HashMap, HashSet};

use snowball_stemmers_rs::Stemmer;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::Language;

/// The longest word, in characters: what is longer is no word, and found by its beginning.
const TERM_CHARS_MAX: usize = 64;

/// Words of English questions that say nothing of what is asked for. In other languages their frequency has to tell.
const EMPTY: [&str; 62] = [
    "a", "an", "the", "and", "or", "of", "to", "in", "on", "for", "with", "at", "by", "from", "is", "are", "was",
    "were", "be", "been", "do", "does", "did", "what", "which", "who", "whom", "whose", "when", "where", "why", "how",
    "it", "its", "this", "that", "these", "those", "i", "you", "he", "she", "we", "they", "me", "my", "your", "our",
    "their", "as", "about", "can", "could", "should", "would", "will", "has", "have", "had", "there", "any", "some",
];

/// Splits texts into words by Unicode's rules (UAX #29), takes names of programs apart, and reduces words to their stems.
pub(crate) struct Analyzer {
    stemmer: Stemmer,
    language: Language,
}

impl std::fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analyzer")
    }
}

impl Analyzer {
    pub(crate) fn new(language: Language) -> Self {
        Self { stemmer: Stemmer::create(language.algorithm()), language }
    }

    /// In their order, with repetitions.
    pub(crate) fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        for word in text.unicode_words() {
            let parts = parts(word);
            if parts.len() > 1 {
                terms.extend(parts.iter().map(|part| self.term(part)));
            }
            terms.push(self.term(word));
        }
        terms
    }

    /// What a question asks for: each word once, without those that say nothing if there are others.
    pub(crate) fn asked(&self, text: &str) -> Vec<String> {
        let mut seen = HashSet::new();
        let all: Vec<String> = self.terms(text).into_iter().filter(|term| seen.insert(term.clone())).collect();
        if self.language != Language::English {
            return all;
        }
        let saying: Vec<String> = all.iter().filter(|term| !EMPTY.contains(&term.as_str())).cloned().collect();
        if saying.is_empty() { all } else { saying }
    }

    fn term(&self, word: &str) -> String {
        let lower = word.to_lowercase();
        let stem = self.stemmer.stem(&lower);
        stem.chars().take(TERM_CHARS_MAX).collect()
    }
}

/// `max_sessions`, `maxSessions` and `HTTPServer` by their parts.
fn parts(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for piece in word.split('_').filter(|piece| !piece.is_empty()) {
        let mut begin = 0;
        let characters: Vec<(usize, char)> = piece.char_indices().collect();
        for window in characters.windows(2) {
            let [(_, before), (at, after)] = window else { continue };
            if before.is_lowercase() && after.is_uppercase() {
                parts.push(&piece[begin..*at]);
                begin = *at;
            }
        }
        parts.push(&piece[begin..]);
    }
    parts
}

/// How often each term stands in a text that was analysed, and how many there are.
pub(crate) fn counts(terms: &str) -> (HashMap<&str, u32>, u32) {
    let mut counts = HashMap::new();
    let mut all = 0;
    for term in terms.split(' ').filter(|term| !term.is_empty()) {
        *counts.entry(term).or_insert(0) += 1;
        all += 1;
    }
    (counts, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_their_stems_and_names_by_their_parts() {
        let analyzer = Analyzer::new(Language::English);
        assert_eq!(analyzer.terms("The databases were migrated."), ["the", "databas", "were", "migrat"]);
        assert_eq!(analyzer.terms("maxSessions")[..2], ["max", "session"]);
        assert!(analyzer.terms("set MAX_SESSIONS to 50").contains(&"session".to_owned()));
        assert_eq!(analyzer.asked("What was it that runs, and keeps running?"), ["run", "keep"]);
        assert_eq!(analyzer.asked("Who are you?"), ["who", "are", "you"]);
        assert_eq!(analyzer.terms("…  — !"), Vec::<String>::new());
        assert_eq!(analyzer.terms("数据库").len(), 3);
    }

    #[test]
    fn other_languages_have_other_stems() {
        let german = Analyzer::new(Language::German);
        assert_eq!(german.asked("Häuser Hauses"), ["haus"]);
    }
}
