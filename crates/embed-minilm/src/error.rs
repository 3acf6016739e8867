use std::path::PathBuf;

/// Why there is no embedder. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Name a file that is there and can be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Name the weights of a MiniLM: `model.safetensors` as sentence-transformers publishes it.
    #[error("{} is no model that can be used here: {problem}", .path.display())]
    Model {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Name the `tokenizer.json` that was published with the model.
    #[error("{} is no tokenizer that can be used here: {problem}", .path.display())]
    Tokenizer {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The system gives no threads; try again.
    #[error("no threads can be started")]
    Threads(#[source] Box<dyn std::error::Error + Send + Sync>),
}
