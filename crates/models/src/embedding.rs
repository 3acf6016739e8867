use std::ops::Range;

use orchestrator_transcript::Usage;

use crate::{ErrorKind, ProviderError};

/// Texts that shall become vectors, so that what is alike lies close together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedRequest {
    /// The model's name as its provider knows it.
    pub model: String,
    /// The texts, none of them empty.
    pub inputs: Vec<String>,
    /// How long the vectors shall be, for models that can be asked; `None`: as long as the model makes them.
    pub dimensions: Option<u32>,
}

/// One vector per text.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// In the order of the texts, all equally long.
    pub vectors: Vec<Vec<f32>>,
    /// What was used: input only.
    pub usage: Usage,
}

/// How much a provider takes in one request. The router asks several times where that is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedLimits {
    /// Texts, 1 or more.
    pub inputs_max: usize,
    /// Bytes of text, 1 or more. A single text that is longer is sent alone, and its provider judges.
    pub bytes_max: usize,
}

impl Default for EmbedLimits {
    /// 2,048 texts and 300,000 bytes: OpenAI's 300,000 tokens, of which none is shorter than a byte.
    fn default() -> Self {
        Self { inputs_max: 2_048, bytes_max: 300_000 }
    }
}

impl EmbedLimits {
    /// Which texts go together.
    pub(crate) fn batches(self, inputs: &[String]) -> Vec<Range<usize>> {
        let (mut batches, mut begin, mut bytes) = (Vec::new(), 0, 0_usize);
        for (number, input) in inputs.iter().enumerate() {
            let is_full =
                number - begin >= self.inputs_max.max(1) || bytes.saturating_add(input.len()) > self.bytes_max;
            if is_full && number > begin {
                batches.push(begin..number);
                (begin, bytes) = (number, 0);
            }
            bytes = bytes.saturating_add(input.len());
        }
        if begin < inputs.len() {
            batches.push(begin..inputs.len());
        }
        batches
    }
}

impl Embeddings {
    /// One vector per text, and all of the same length.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if it is otherwise.
    pub fn check(self, inputs: usize) -> Result<Self, ProviderError> {
        let length = self.vectors.first().map_or(0, Vec::len);
        let is_whole = |vector: &Vec<f32>| !vector.is_empty() && vector.len() == length;
        if self.vectors.len() == inputs && self.vectors.iter().all(is_whole) {
            return Ok(self);
        }
        let message = format!("expected {inputs} vectors of one length, got {} of {length}", self.vectors.len());
        Err(ProviderError::new(ErrorKind::Malformed, message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every text is in one batch, in order, and no batch of several is too much.
        #[test]
        fn batches_cover_everything_within_the_limits(
            lengths in proptest::collection::vec(0_usize..50, 0..60),
            inputs_max in 1_usize..10,
            bytes_max in 1_usize..100,
        ) {
            let inputs: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            let batches = EmbedLimits { inputs_max, bytes_max }.batches(&inputs);
            let covered: Vec<usize> = batches.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..inputs.len()).collect::<Vec<_>>());
            for batch in batches {
                let bytes: usize = inputs[batch.clone()].iter().map(String::len).sum();
                prop_assert!(batch.len() <= inputs_max && (batch.len() == 1 || bytes <= bytes_max));
            }
        }
    }

    #[test]
    fn vectors_that_do_not_fit_are_malformed() {
        let of = |vectors: Vec<Vec<f32>>| Embeddings { vectors, usage: Usage::default() };
        assert!(of(vec![vec![1.0], vec![2.0]]).check(2).is_ok());
        for wrong in [vec![vec![1.0]], vec![vec![1.0], vec![1.0, 2.0]], vec![vec![], vec![]]] {
            assert_eq!(of(wrong).check(2).unwrap_err().kind, ErrorKind::Malformed);
        }
    }
}
