use std::sync::Arc;

use orchestrator_memory::{Embedder, LocalEmbedder};

/// What an operator reads whose daemon cannot have one.
pub(crate) const NOT_BUILT: &str = "memory.embedder.local: this daemon was built without models of its own: build it with \
    `cargo build --release --package orchestrator-daemon --features local-embeddings`";

/// A model on this machine, read into memory.
///
/// # Errors
/// A file is not there, or is something else: key, file and reason are named. Or this daemon was built without the feature.
#[cfg(feature = "local-embeddings")]
pub(crate) async fn open(files: &LocalEmbedder) -> anyhow::Result<Arc<dyn Embedder>> {
    use anyhow::Context as _;
    use orchestrator_embed_minilm::MiniLm;

    let wanted = files.clone();
    // It reads some 90 MB.
    let opening = tokio::task::spawn_blocking(move || MiniLm::open(&wanted.model, &wanted.tokenizer));
    let minilm = opening.await?.map_err(|error| {
        let key = key(&error, files);
        anyhow::Error::new(error).context(key)
    });
    minilm.map(|minilm| Arc::new(minilm) as Arc<dyn Embedder>).context("memory vectors cannot be made")
}

/// Without the feature, a configuration that names files was refused already.
#[cfg(not(feature = "local-embeddings"))]
pub(crate) async fn open(_: &LocalEmbedder) -> anyhow::Result<Arc<dyn Embedder>> {
    anyhow::bail!(NOT_BUILT)
}

#[cfg(feature = "local-embeddings")]
fn key(error: &orchestrator_embed_minilm::OpenError, files: &LocalEmbedder) -> &'static str {
    use orchestrator_embed_minilm::OpenError;

    const MODEL: &str = "memory.embedder.local.model";
    const TOKENIZER: &str = "memory.embedder.local.tokenizer";
    match error {
        OpenError::Unreadable { path, .. } if *path == files.model => MODEL,
        OpenError::Model { .. } => MODEL,
        OpenError::Unreadable { .. } | OpenError::Tokenizer { .. } => TOKENIZER,
        _ => "memory.embedder.local",
    }
}
