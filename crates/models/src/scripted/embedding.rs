use orchestrator_transcript::Usage;

use crate::{EmbedRequest, Embeddings};

/// How long vectors are where nobody says.
pub(super) const DIMENSIONS: u32 = 256;
/// Signs of a piece of a word.
const GRAM: usize = 3;
/// How much a piece weighs beside a whole word.
const GRAM_WEIGHT: f32 = 0.5;
const BYTES_PER_TOKEN: u64 = 4;

/// Vectors without a model: each word and each three signs of a text count for or against one place, which their hash tells. Texts
/// that share words, or beginnings and ends of words, lie close. Always the same for the same text, on every machine.
pub(super) fn vectors(request: &EmbedRequest, usual: u32) -> Embeddings {
    let dimensions = request.dimensions.unwrap_or(usual);
    let vectors = request.inputs.iter().map(|input| vector(input, dimensions)).collect();
    let input = request.inputs.iter().map(|input| (input.len() as u64).div_ceil(BYTES_PER_TOKEN)).sum();
    Embeddings { vectors, usage: Usage { input, ..Usage::default() } }
}

fn vector(text: &str, dimensions: u32) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions as usize];
    let text = text.to_lowercase();
    for word in text.split(|sign: char| !sign.is_alphanumeric()).filter(|word| !word.is_empty()) {
        add(&mut vector, word.chars(), 1.0);
        let signs: Vec<char> = [' '].into_iter().chain(word.chars()).chain([' ']).collect();
        for gram in signs.windows(GRAM) {
            add(&mut vector, gram.iter().copied(), GRAM_WEIGHT);
        }
    }
    if vector.iter().all(|value| *value == 0.0) {
        // No words, or such as cancel each other out.
        add(&mut vector, text.chars(), 1.0);
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= length);
    vector
}

fn add(vector: &mut [f32], signs: impl Iterator<Item = char>, weight: f32) {
    let hash = hash(signs);
    let place = usize::try_from(hash % vector.len() as u64).expect("it is below a length");
    let is_against = hash >> 63 == 1;
    vector[place] += if is_against { -weight } else { weight };
}

/// FNV-1a, with its bits mixed once more, because the last ones tell little of short texts.
fn hash(signs: impl Iterator<Item = char>) -> u64 {
    let hash = signs.fold(0xcbf2_9ce4_8422_2325_u64, |hash, sign| {
        (hash ^ u64::from(u32::from(sign))).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(one: &str, other: &str) -> f32 {
        vector(one, DIMENSIONS).iter().zip(vector(other, DIMENSIONS)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn what_is_alike_lies_close() {
        let asked = "How do I restart the daemon?";
        assert!((likeness(asked, asked) - 1.0).abs() < 1e-5);
        assert!(likeness(asked, "Restart the daemon") > likeness(asked, "A recipe for bread") + 0.3);
    }

    #[test]
    fn a_vector_is_the_same_tomorrow() {
        let expected = [std::f32::consts::FRAC_1_SQRT_2, -std::f32::consts::FRAC_1_SQRT_2, 0.0, 0.0];
        assert!(vector("ab", 4).iter().zip(expected).all(|(made, pinned)| (made - pinned).abs() < 1e-5));
        for text in ["…", " ", "a", "日本語"] {
            let length: f32 = vector(text, 8).iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-5, "{text}");
        }
    }
}
