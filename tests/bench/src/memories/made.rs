use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::{Numbering, SqlLog};
use orchestrator_memory::{BATCH_MAX, Config, Draft, EmbedError, Embedder, Memories, MemoriesParts, Scope, SqlStore};
use orchestrator_sql::{Backend, Database, Options};
use orchestrator_vocab::{Actor, OrgId, SystemClock};

use crate::bed::{Place, place};

/// As long as those of all-MiniLM-L6-v2.
pub(super) const DIMENSIONS: usize = 384;
/// Words in a text.
const WORDS: usize = 20;
/// Different words there are; the first are the most frequent, as in every language (Zipf).
const VOCABULARY: usize = 30_000;
/// One in so many memories belongs to one person.
pub(super) const NARROW: usize = 10_000;

/// Memories in a database of their own, composed as the daemon does it but without the daemon.
pub(super) struct Made {
    pub(super) memories: Memories,
    _log: SqlLog,
    _place: Option<Place>,
}

impl Made {
    pub(super) async fn on(backend: Backend, embedder: Option<Arc<dyn Embedder>>) -> anyhow::Result<Self> {
        let (place, url) = place(backend).await?;
        let made = Self::at(&url, embedder).await?;
        Ok(Self { _place: Some(place), ..made })
    }

    pub(super) async fn at(url: &str, embedder: Option<Arc<dyn Embedder>>) -> anyhow::Result<Self> {
        let numbering = Numbering::default();
        let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
        let database = Database::connect(url, options).await?;
        let log = SqlLog::open(database.clone(), &numbering).await?;
        let memories = Memories::new(MemoriesParts {
            store: Arc::new(SqlStore::open(database).await?),
            clock: Arc::new(SystemClock),
            config: Config::default(),
            embedder,
            summarizer: None,
            filter: None,
        })?;
        Ok(Self { memories, _log: log, _place: None })
    }

    /// Stores the memories of these numbers, as many at a time as may be.
    pub(super) async fn fill(&self, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
        let by = Actor::system("bench");
        let numbers: Vec<usize> = numbers.collect();
        for batch in numbers.chunks(BATCH_MAX) {
            let drafts = batch.iter().map(|number| draft(*number)).collect();
            self.memories.store_many(OrgId::LOCAL, &by, drafts).await?;
        }
        Ok(())
    }

    /// Gives everything its vector.
    pub(super) async fn embed(&self) -> anyhow::Result<()> {
        while self.memories.embed_some().await? > 0 {}
        Ok(())
    }
}

/// The same number gives the same memory.
pub(super) fn draft(number: usize) -> Draft {
    let is_narrow = number.is_multiple_of(NARROW);
    let scope = if is_narrow { Scope::User("ada".into()) } else { Scope::Organisation };
    Draft { scope, ..Draft::fact(text(number as u64, WORDS)) }
}

pub(super) fn question(number: usize) -> String {
    text(u64::MAX - number as u64, 6)
}

fn text(seed: u64, words: usize) -> String {
    let mut random = Random(seed);
    let words: Vec<String> = (0..words).map(|_| random.word()).collect();
    words.join(" ")
}

/// SplitMix64: the same seed gives the same numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The nth word is as frequent as one nth of the first.
    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 16] =
            ["ka", "lo", "mi", "nu", "pe", "ra", "si", "to", "va", "ze", "bo", "du", "fi", "ga", "he", "ju"];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is below the vocabulary")]
        let mut rank = (VOCABULARY as f64).powf(self.share()) as usize;
        let mut word = String::new();
        while rank > 0 {
            word.push_str(SYLLABLES[rank % SYLLABLES.len()]);
            rank /= SYLLABLES.len();
        }
        word
    }
}

/// Vectors in any direction, at no cost: what is measured is what is done with them.
pub(super) struct AnyDirection;

#[async_trait]
impl Embedder for AnyDirection {
    /// As the daemon calls its scripted one.
    fn name(&self) -> &str {
        "stage/m/384"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    async fn embed(&self, _: OrgId, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| direction(text)).collect())
    }
}

fn direction(text: &str) -> Vec<f32> {
    let seed = text.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = Random(seed);
    // The sum of four is near enough to a normal distribution.
    #[expect(clippy::cast_possible_truncation, reason = "a vector of small numbers")]
    let mut vector: Vec<f32> =
        (0..DIMENSIONS).map(|_| (0..4).map(|_| random.share() as f32).sum::<f32>() - 2.0).collect();
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= length);
    vector
}
