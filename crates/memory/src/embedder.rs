use async_trait::async_trait;
use orchestrator_vocab::OrgId;

/// Makes vectors of texts, so that what means the same lies close together.
#[async_trait]
pub trait Embedder: Send + Sync + 'static {
    /// Names the model and everything that changes its vectors. What was embedded under another name is embedded anew.
    fn name(&self) -> &str;

    /// How long its vectors are.
    fn dimensions(&self) -> usize;

    /// One vector per text, in their order, each of length 1, so that the cosine of two is their dot product. The organisation
    /// is whose texts they are, and who pays for them.
    ///
    /// # Errors
    /// [`EmbedError::Unavailable`]: ask again later. [`EmbedError::Refused`]: never with these texts.
    async fn embed(&self, org: OrgId, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// The vector of a question: somebody waits for it, so it should not stand in line behind texts that nobody waits for. By default
    /// it is made like any other.
    ///
    /// # Errors
    /// As for [`embed`](Self::embed).
    async fn embed_question(&self, org: OrgId, text: &str) -> Result<Vec<f32>, EmbedError> {
        let mut vectors = self.embed(org, &[text.to_owned()]).await?;
        vectors.pop().ok_or_else(|| EmbedError::Unavailable("there is none for a text".into()))
    }
}

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// Whoever makes them cannot now; ask again later.
    #[error("no vectors can be made now: {0}")]
    Unavailable(String),
    /// One of these texts will never have a vector: ask for each alone, then leave it out.
    #[error("a text has no vector: {0}")]
    Refused(String),
}
