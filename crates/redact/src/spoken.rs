//! A text as the words that are in it, however they are written.

use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// In lower case and one way of writing accents. Punctuation ends a word, also where it holds one together for a reader:
/// `Ada's`, `ada.lovelace@example.org`, `user:ada` and `ada_notes` are about Ada.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text: String = text.nfkc().collect();
    let pieces = text.split(is_between);
    pieces.flat_map(|piece| piece.unicode_words()).map(folded).collect()
}

fn is_between(character: char) -> bool {
    character.is_ascii_punctuation() || matches!(character, '\u{2018}' | '\u{2019}' | '\u{b7}' | '\u{ad}')
}

/// Character by character: a sigma at the end of a word is the sigma in the middle of another.
fn folded(word: &str) -> String {
    let lower = word.chars().flat_map(char::to_lowercase);
    lower.map(|character| if character == 'ς' { 'σ' } else { character }).collect()
}
