use std::path::Path;

use tokenizers::{Tokenizer, TruncationParams};

use crate::{OpenError, TEXT_BYTES_MAX, TOKENS_MAX};

/// Texts as the numbers of the pieces of words that the model knows.
pub(crate) struct Vocabulary(Tokenizer);

impl Vocabulary {
    /// Of a `tokenizer.json`, for a model that knows so many pieces. What it says of truncation and padding is left aside.
    pub(crate) fn read(path: &Path, bytes: &[u8], pieces: usize) -> Result<Self, OpenError> {
        let wrong = |problem: String| OpenError::Tokenizer { path: path.to_owned(), problem };
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
        let has = tokenizer.get_vocab_size(true);
        if has != pieces {
            return Err(wrong(format!("it has {has} pieces of words, expected the {pieces} of the model")));
        }
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length: TOKENS_MAX, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| wrong(error.to_string()))?;
        Ok(Self(tokenizer))
    }

    /// Between the marks of beginning and end; at most [`TOKENS_MAX`].
    pub(crate) fn tokens(&self, text: &str) -> Result<Vec<u32>, String> {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        let encoding = self.0.encode_fast(text, true).map_err(|error| error.to_string())?;
        if encoding.is_empty() {
            return Err("the tokenizer makes nothing of it".into());
        }
        Ok(encoding.get_ids().to_vec())
    }
}
