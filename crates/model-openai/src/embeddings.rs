//! Vectors of texts: `POST /embeddings`, which compatible servers know too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orchestrator_models::{EmbedRequest, Embeddings, ErrorKind, ProviderError};
use serde::{Deserialize, Serialize};

use crate::config::Encoding;
use crate::usage::Counted;

#[derive(Serialize)]
pub(crate) struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    encoding_format: Encoding,
}

#[derive(Deserialize)]
pub(crate) struct Answer {
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Counted>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Written,
}

/// Servers that are asked for one form may answer with the other.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Numbers(Vec<f32>),
    Base64(String),
}

pub(crate) fn body(request: &EmbedRequest, encoding: Encoding) -> Body<'_> {
    Body { model: &request.model, input: &request.inputs, dimensions: request.dimensions, encoding_format: encoding }
}

pub(crate) fn read(mut answer: Answer) -> Result<Embeddings, ProviderError> {
    answer.data.sort_by_key(|item| item.index);
    if !answer.data.iter().enumerate().all(|(number, item)| item.index == number) {
        return Err(malformed("the vectors are not numbered from 0 without a gap"));
    }
    let vectors = answer.data.into_iter().map(|item| numbers(item.embedding)).collect::<Result<_, _>>()?;
    let usage = answer.usage.unwrap_or_default().usage();
    Ok(Embeddings { vectors, usage })
}

fn numbers(written: Written) -> Result<Vec<f32>, ProviderError> {
    let text = match written {
        Written::Numbers(numbers) => return Ok(numbers),
        Written::Base64(text) => text,
    };
    let bytes = STANDARD.decode(text).map_err(|_| malformed("a vector is neither numbers nor base64"))?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(malformed("a vector in base64 does not consist of 32-bit numbers"));
    }
    let numbers: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    match numbers.iter().all(|number| number.is_finite()) {
        true => Ok(numbers),
        false => Err(malformed("a vector has something in it that is no number")),
    }
}

fn malformed(what: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Malformed, what)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn made(answer: Value) -> Result<Embeddings, ErrorKind> {
        read(serde_json::from_value(answer).unwrap()).map_err(|error| error.kind)
    }

    #[test]
    fn both_forms_are_read_and_put_in_order() {
        let base64 = STANDARD.encode([1.5_f32, -2.0].map(f32::to_le_bytes).concat());
        let data = json!([{ "index": 1, "embedding": base64 }, { "index": 0, "embedding": [0.25, 3.0] }]);
        let made = made(json!({ "data": data, "usage": { "prompt_tokens": 5, "total_tokens": 5 } })).unwrap();
        assert_eq!(made.vectors, [vec![0.25, 3.0], vec![1.5, -2.0]]);
        assert_eq!((made.usage.input, made.usage.output), (5, 0));
    }

    #[test]
    fn what_is_no_vector_is_malformed() {
        let nan = STANDARD.encode(f32::NAN.to_le_bytes());
        for data in [
            json!([{ "index": 1, "embedding": [1.0] }]),
            json!([{ "index": 0, "embedding": "AAA=" }]),
            json!([{ "index": 0, "embedding": "%" }]),
            json!([{ "index": 0, "embedding": nan }]),
        ] {
            assert_eq!(made(json!({ "data": data })), Err(ErrorKind::Malformed), "{data}");
        }
    }
}
