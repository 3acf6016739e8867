use std::fmt;

use async_trait::async_trait;

use crate::{ChatStream, EmbedRequest, Embeddings, ListedModel, Provider, ProviderError, Request};

/// Asks for real, recording, and answers then with what was recorded: so that what a provider promises is tried on what is played
/// back. `played` makes the same provider over the cassette that `live` has written by then.
pub struct PlayedBack<P, F> {
    /// Has a cassette that records.
    pub live: P,
    /// Makes one that plays it back.
    pub played: F,
}

impl<P: Provider, F> fmt::Debug for PlayedBack<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayedBack").field("live", &self.live).finish_non_exhaustive()
    }
}

#[async_trait]
impl<P: Provider, F: Fn() -> P + Send + Sync> Provider for PlayedBack<P, F> {
    fn name(&self) -> &str {
        self.live.name()
    }

    async fn chat(&self, request: Request) -> Result<ChatStream, ProviderError> {
        if let Ok(mut stream) = self.live.chat(request.clone()).await {
            while stream.next().await.is_some() {}
        }
        (self.played)().chat(request).await
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, ProviderError> {
        self.live.embed(request.clone()).await.ok();
        (self.played)().embed(request).await
    }

    async fn count_tokens(&self, request: &Request) -> Result<u64, ProviderError> {
        self.live.count_tokens(request).await.ok();
        (self.played)().count_tokens(request).await
    }

    async fn list(&self) -> Result<Vec<ListedModel>, ProviderError> {
        self.live.list().await.ok();
        (self.played)().list().await
    }

    async fn probe(&self) -> Result<(), ProviderError> {
        self.live.probe().await.ok();
        (self.played)().probe().await
    }
}
