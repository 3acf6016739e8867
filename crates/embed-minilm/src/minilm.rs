use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use orchestrator_memory::{EmbedError, Embedder};
use orchestrator_vocab::OrgId;
use ring::digest::{Context, SHA256};

use crate::OpenError;
use crate::batches::batches;
use crate::model::Model;
use crate::vocabulary::Vocabulary;
use crate::workers::{Rank, Workers};

/// How long the vectors are.
pub const DIMENSIONS: usize = 384;
/// What comes after so many tokens of a text does not count, as the model was trained. Some 200 words of English.
pub const TOKENS_MAX: usize = 256;
/// What comes after so many bytes of a text is not even looked at.
pub const TEXT_BYTES_MAX: usize = 65_536;

/// The largest files that are read, in bytes: what is larger is something else.
const MODEL_BYTES_MAX: u64 = 1 << 30;
const TOKENIZER_BYTES_MAX: u64 = 1 << 26;
/// Half of the machine, and not more than this, unless told otherwise.
const THREADS_MAX: usize = 4;

/// A MiniLM in memory (some 95 MB). Cheap to clone.
#[derive(Clone)]
pub struct MiniLm {
    name: Arc<str>,
    knows: Arc<Knows>,
    workers: Workers,
    /// For questions alone: they do not stand in line behind a batch.
    asked: Workers,
}

struct Knows {
    model: Model,
    vocabulary: Vocabulary,
}

impl std::fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MiniLm").field("name", &self.name).field("threads", &self.workers.count()).finish()
    }
}

impl MiniLm {
    /// Reads the weights (`model.safetensors`) and the vocabulary (`tokenizer.json`) as sentence-transformers publishes them.
    /// It takes a fraction of a second and blocks as long. It computes on half of the machine's cores, four at most, and beside that on as many
    /// for questions.
    ///
    /// # Errors
    /// [`OpenError`] names the file and what is wrong with it.
    pub fn open(model: impl AsRef<Path>, tokenizer: impl AsRef<Path>) -> Result<Self, OpenError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = NonZeroUsize::new((cores / 2).clamp(1, THREADS_MAX)).unwrap_or(NonZeroUsize::MIN);
        Self::open_with_threads(model, tokenizer, threads)
    }

    /// As [`open`](Self::open), with so many threads that compute.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with_threads(
        model: impl AsRef<Path>,
        tokenizer: impl AsRef<Path>,
        threads: NonZeroUsize,
    ) -> Result<Self, OpenError> {
        let (model_path, tokenizer_path) = (model.as_ref(), tokenizer.as_ref());
        let weights = read(model_path, MODEL_BYTES_MAX)?;
        let words = read(tokenizer_path, TOKENIZER_BYTES_MAX)?;
        let model = Model::read(model_path, &weights)?;
        let vocabulary = Vocabulary::read(tokenizer_path, &words, model.pieces())?;
        let start = |rank| Workers::start(threads.get(), rank);
        let (workers, asked) = (start(Rank::Background)?, start(Rank::Asked)?);
        Ok(Self { name: name(&weights, &words).into(), knows: Arc::new(Knows { model, vocabulary }), workers, asked })
    }
}

#[async_trait]
impl Embedder for MiniLm {
    /// `minilm-` and the beginning of a digest of both files.
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    async fn embed(&self, _: OrgId, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let tokens = self.tokens(texts.to_vec()).await?;
        let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
        let tokens = &tokens;
        let vectors_of = |places: Vec<usize>| async move {
            let texts: Vec<Vec<u32>> = places.iter().map(|place| tokens[*place].clone()).collect();
            let knows = Arc::clone(&self.knows);
            let made = self.workers.run(move || knows.model.vectors(&texts)).await.ok_or_else(panicked)?;
            let made = made.map_err(|error| EmbedError::Refused(error.to_string()))?;
            Ok::<_, EmbedError>(places.into_iter().zip(made))
        };
        // As many at once as can be computed: what is asked meanwhile does not wait for all of them.
        let made: Vec<_> = stream::iter(batches(&lengths))
            .map(vectors_of)
            .buffer_unordered(self.workers.count())
            .try_collect()
            .await?;
        let mut placed: Vec<(usize, Vec<f32>)> = made.into_iter().flatten().collect();
        placed.sort_unstable_by_key(|(place, _)| *place);
        Ok(placed.into_iter().map(|(_, vector)| vector).collect())
    }

    async fn embed_question(&self, _: OrgId, text: &str) -> Result<Vec<f32>, EmbedError> {
        let (knows, text) = (Arc::clone(&self.knows), text.to_owned());
        let vector = move || {
            let tokens = knows.vocabulary.tokens(&text)?;
            let mut made = knows.model.vectors(&[tokens]).map_err(|error| error.to_string())?;
            made.pop().ok_or_else(|| "the model makes nothing of it".to_owned())
        };
        self.asked.run(vector).await.ok_or_else(panicked)?.map_err(EmbedError::Refused)
    }
}

impl MiniLm {
    async fn tokens(&self, texts: Vec<String>) -> Result<Vec<Vec<u32>>, EmbedError> {
        let knows = Arc::clone(&self.knows);
        let of_all = move || texts.iter().map(|text| knows.vocabulary.tokens(text)).collect::<Result<Vec<_>, _>>();
        self.workers.run(of_all).await.ok_or_else(panicked)?.map_err(EmbedError::Refused)
    }
}

fn panicked() -> EmbedError {
    EmbedError::Unavailable("the model failed while it computed".into())
}

/// Other files, another name: their vectors cannot be compared.
fn name(model: &[u8], tokenizer: &[u8]) -> String {
    let mut digest = Context::new(&SHA256);
    digest.update(model);
    digest.update(tokenizer);
    let hex: String = digest.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("minilm-{hex}")
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, OpenError> {
    let unreadable = |source| OpenError::Unreadable { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > bytes_max {
        let problem = format!("it has {bytes} bytes, expected at most {bytes_max}");
        return Err(unreadable(std::io::Error::new(std::io::ErrorKind::FileTooLarge, problem)));
    }
    std::fs::read(path).map_err(unreadable)
}
