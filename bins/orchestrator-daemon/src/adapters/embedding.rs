mod local;

pub(crate) use local::{NOT_BUILT, open as open_local};

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_memory::{EmbedError, Embedder, EmbedderConfig};
use orchestrator_models::{EmbedAsk, Error, ErrorKind, Router};
use orchestrator_vocab::OrgId;

/// Who makes vectors of memories, if that is configured.
pub(crate) async fn embedder(config: &EmbedderConfig, router: &Router) -> anyhow::Result<Option<Arc<dyn Embedder>>> {
    if let Some(files) = &config.local {
        return open_local(files).await.map(Some);
    }
    let Some((model, dimensions)) = config.model.clone().zip(config.dimensions) else { return Ok(None) };
    let name = format!("{model}/{dimensions}");
    Ok(Some(Arc::new(ByModel { router: router.clone(), model, dimensions, name })))
}

/// A model of a provider, asked through the router: it counts in the budget of whose texts they are.
struct ByModel {
    router: Router,
    model: String,
    dimensions: u32,
    name: String,
}

#[async_trait]
impl Embedder for ByModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        usize::try_from(self.dimensions).unwrap_or(usize::MAX)
    }

    async fn embed(&self, org: OrgId, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let ask = EmbedAsk {
            org,
            model: Some(self.model.clone()),
            inputs: texts.to_vec(),
            dimensions: Some(self.dimensions),
        };
        let made = self.router.embed(ask).await.map_err(|error| refused(&error))?;
        let vectors: Vec<Vec<f32>> = made.vectors.into_iter().map(unit).collect();
        match vectors.iter().find(|vector| vector.len() != self.dimensions()) {
            Some(vector) => Err(EmbedError::Unavailable(format!(
                "{} makes vectors of length {}, and memory.embedder.dimensions is {}",
                self.model,
                vector.len(),
                self.dimensions
            ))),
            None => Ok(vectors),
        }
    }
}

fn refused(error: &Error) -> EmbedError {
    let for_ever = matches!(error, Error::Failed { source, .. }
        if matches!(source.kind, ErrorKind::InvalidRequest | ErrorKind::TooLarge | ErrorKind::ContextWindowExceeded | ErrorKind::Refused));
    if for_ever { EmbedError::Refused(error.to_string()) } else { EmbedError::Unavailable(error.to_string()) }
}

/// Of length 1; not all models make them so.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
    vector
}
