use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config, HiddenAct};

use crate::{DIMENSIONS, OpenError, TOKENS_MAX};

/// A MiniLM attends with so many heads, whatever the number of its layers. It stands in no tensor.
const HEADS: usize = 12;
/// As it was trained.
const LAYER_NORM_EPSILON: f64 = 1e-12;

/// The weights, and how they are applied.
pub(crate) struct Model {
    bert: BertModel,
    pieces: usize,
}

impl Model {
    /// Of a file in the format safetensors. Everything but the number of heads is told by the shapes.
    pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Self, OpenError> {
        let wrong = |problem: String| OpenError::Model { path: path.to_owned(), problem };
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
            .map_err(|error| wrong(format!("expected tensors in the format safetensors: {error}")))?;
        let config = config(&tensors).map_err(wrong)?;
        let pieces = config.vocab_size;
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let bert = BertModel::load(weights, &config).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { bert, pieces })
    }

    /// How many pieces of words it knows.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces
    }

    /// One vector of length 1 per text: the mean over its tokens.
    pub(crate) fn vectors(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, candle_core::Error> {
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let shape = (texts.len(), longest);
        let padded = |of: fn(&u32) -> u32| -> Vec<u32> {
            let rows = texts.iter();
            rows.flat_map(|row| row.iter().map(of).chain(std::iter::repeat_n(0, longest - row.len()))).collect()
        };
        let tokens = Tensor::from_vec(padded(|token| *token), shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(padded(|_| 1), shape, &Device::Cpu)?;
        let hidden = self.bert.forward(&tokens, &tokens.zeros_like()?, Some(&mask))?;
        let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        // Of length 1 the sum is what the mean is.
        let sums: Vec<Vec<f32>> = hidden.broadcast_mul(&mask)?.sum(1)?.to_vec2()?;
        sums.into_iter().map(of_length_one).collect()
    }
}

fn of_length_one(mut vector: Vec<f32>) -> Result<Vec<f32>, candle_core::Error> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !(length.is_finite() && length > 0.0) {
        return Err(candle_core::Error::Msg("the model makes no numbers of it".into()));
    }
    vector.iter_mut().for_each(|value| *value /= length);
    Ok(vector)
}

/// What the shapes of the tensors tell.
fn config(tensors: &HashMap<String, Tensor>) -> Result<Config, String> {
    let shape = |name: &str| -> Result<(usize, usize), String> {
        let tensor = tensors.get(name).ok_or_else(|| format!("the tensor {name} of a BERT is missing"))?;
        tensor.dims2().map_err(|error| format!("the tensor {name}: {error}"))
    };
    let (pieces, dimensions) = shape("embeddings.word_embeddings.weight")?;
    if dimensions != DIMENSIONS {
        return Err(format!("its vectors are {dimensions} long, expected a MiniLM's {DIMENSIONS}"));
    }
    let (places, _) = shape("embeddings.position_embeddings.weight")?;
    if places < TOKENS_MAX {
        return Err(format!("it takes {places} tokens at a time, expected at least {TOKENS_MAX}"));
    }
    let (kinds, _) = shape("embeddings.token_type_embeddings.weight")?;
    let (inner, _) = shape("encoder.layer.0.intermediate.dense.weight")?;
    let is_there = |layer: &usize| tensors.contains_key(&format!("encoder.layer.{layer}.output.dense.weight"));
    Ok(Config {
        vocab_size: pieces,
        hidden_size: dimensions,
        num_hidden_layers: (0..).take_while(is_there).count(),
        num_attention_heads: HEADS,
        intermediate_size: inner,
        hidden_act: HiddenAct::Gelu,
        max_position_embeddings: places,
        type_vocab_size: kinds,
        layer_norm_eps: LAYER_NORM_EPSILON,
        ..Config::default()
    })
}
