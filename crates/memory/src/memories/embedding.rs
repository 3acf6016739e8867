use std::collections::HashMap;
use std::sync::Arc;

use super::Memories;
use crate::{EmbedError, Embedder, Error, Owners, Unembedded, Vector};

/// How many texts are embedded at a time.
const TEXTS: usize = 64;
/// How many vectors of another embedder are forgotten at a time.
const FORGOTTEN: usize = 1_000;

impl Memories {
    /// Makes vectors for some of what has none, the oldest first, and tells how many. 0: there is nothing to do. What was
    /// embedded by another embedder is embedded anew, and its old vectors go when that is done. An organisation for which none
    /// can be made, whose budget is spent for example, keeps no other waiting.
    ///
    /// # Errors
    /// [`Error::Store`], also if the embedder answers nobody: try again later. Nothing that was made is lost.
    pub async fn embed_some(&self) -> Result<usize, Error> {
        let Some(embedder) = &self.0.parts.embedder else { return Ok(0) };
        let (mut made, mut refused, mut last) = (0, Vec::new(), None);
        let now = self.0.parts.clock.now();
        let look = self.0.looked.begin(now);
        while made == 0 {
            let of = Owners::AllBut(refused.clone());
            let waiting = self.0.parts.store.unembedded(embedder.name(), &of, look.after, TEXTS).await?;
            if waiting.is_empty() {
                break;
            }
            for some in waiting.chunk_by(|a, b| a.org == b.org) {
                match vectors(embedder, some).await {
                    Ok(vectors) => {
                        made += vectors.len();
                        self.0.parts.store.embed(embedder.name(), vectors).await?;
                    }
                    Err(error) => {
                        refused.push(some[0].org);
                        last = Some(error);
                    }
                }
            }
            if let (None, Some(furthest)) = (&last, waiting.last()) {
                self.0.looked.up_to(look, furthest.number);
            }
        }
        match last {
            Some(error) if made == 0 => Err(Error::Store(Box::new(error))),
            None if made == 0 => {
                if look.is_whole {
                    while self.0.parts.store.forget_vectors(embedder.name(), FORGOTTEN).await? > 0 {}
                    self.0.looked.to_the_end(look, now);
                }
                Ok(0)
            }
            _ => Ok(made),
        }
    }
}

/// Of one organisation. The same text is embedded once. One that has no vector is told apart, so that it does not keep the others from theirs.
async fn vectors(embedder: &Arc<dyn Embedder>, waiting: &[Unembedded]) -> Result<Vec<Vector>, EmbedError> {
    let Some(org) = waiting.first().map(|one| one.org) else { return Ok(Vec::new()) };
    let mut texts: Vec<String> = waiting.iter().map(|one| one.text.clone()).collect();
    texts.sort_unstable();
    texts.dedup();
    let mut by_text: HashMap<String, Vec<f32>> = HashMap::with_capacity(texts.len());
    match embedder.embed(org, &texts).await {
        Ok(vectors) => by_text.extend(texts.into_iter().zip(vectors)),
        Err(EmbedError::Refused(_)) => {
            for text in texts {
                let vector = match embedder.embed(org, std::slice::from_ref(&text)).await {
                    Ok(mut vectors) => vectors.pop().unwrap_or_default(),
                    Err(EmbedError::Refused(problem)) => {
                        tracing::warn!(%problem, "a memory has no vector: it is found by its words alone");
                        Vec::new()
                    }
                    Err(unavailable) => return Err(unavailable),
                };
                by_text.insert(text, vector);
            }
        }
        Err(unavailable) => return Err(unavailable),
    }
    let vector = |one: &Unembedded| Vector {
        org: one.org,
        number: one.number,
        values: by_text.get(&one.text).cloned().unwrap_or_default(),
    };
    Ok(waiting.iter().map(vector).collect())
}
