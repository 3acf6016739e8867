use orchestrator_rpc::{Call, Error as Refusal};
use orchestrator_transcript::Usage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EmbedAsk, Router, Target, TraceId};

/// Texts in one call, and so numbers in one answer.
const INPUTS_MAX: usize = 256;
/// Numbers in a vector.
const DIMENSIONS_MAX: u32 = 16_384;

/// The parameters of `model.embed`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbedParams {
    /// `provider/model`, or a model alone if only one provider can be meant; otherwise `models.embedding` of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The texts, none of them empty.
    #[schemars(length(min = 1, max = 256), inner(length(min = 1)))]
    pub inputs: Vec<String>,
    /// How long the vectors shall be, for models that can be asked; otherwise as the model makes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16_384))]
    pub dimensions: Option<u32>,
}

/// What `model.embed` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmbedResult {
    /// One per text, in their order, all equally long.
    pub vectors: Vec<Vec<f32>>,
    /// How long each is.
    pub dimensions: usize,
    /// What was used.
    pub usage: Usage,
    /// Who made them. Vectors of different models cannot be compared.
    pub answered_by: Target,
    /// What `model.trace` tells more about.
    pub trace_id: TraceId,
}

pub(super) async fn embed(router: &Router, call: &Call, params: EmbedParams) -> Result<EmbedResult, Refusal> {
    let EmbedParams { model, inputs, dimensions } = params;
    if !(1..=INPUTS_MAX).contains(&inputs.len()) {
        return Err(Refusal::invalid_field("inputs", format!("expected 1 to {INPUTS_MAX} texts")));
    }
    if dimensions.is_some_and(|dimensions| !(1..=DIMENSIONS_MAX).contains(&dimensions)) {
        return Err(Refusal::invalid_field("dimensions", format!("expected 1 to {DIMENSIONS_MAX}")));
    }
    let made = router.embed(EmbedAsk { org: call.org(), model, inputs, dimensions }).await?;
    Ok(EmbedResult {
        dimensions: made.vectors.first().map_or(0, Vec::len),
        vectors: made.vectors,
        usage: made.usage,
        answered_by: made.target,
        trace_id: made.trace,
    })
}
