use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use snowball_stemmers_rs::Algorithm;

use crate::{Error, Tier};

/// How much is remembered, and how it is found again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Bytes of text in the scratchpad of a session. Default 50 MB.
    pub scratchpad_bytes_max: u64,
    /// How long a scratchpad stays after its session has ended, in milliseconds. Default one hour.
    pub scratchpad_kept_ms: u64,
    /// Tokens of the scratchpad that are in each prompt. Default 2,000.
    pub scratchpad_tokens: u64,
    /// Bytes of episodic memory of an organisation. Default 500 MB.
    pub episodic_bytes_max: u64,
    /// How long what happened is remembered word by word, in milliseconds; then it is summed up. Default seven days.
    pub episodic_kept_ms: u64,
    /// Bytes of semantic memory of an organisation. Default 2 GB.
    pub semantic_bytes_max: u64,
    /// The share of a limit at which `memory.filling` is told. Default 0.8.
    pub alert_threshold: f64,
    /// The language of the texts, for the forms of words: a name of a Snowball stemmer. Default `english`.
    pub language: Language,
    /// How found memories are weighed.
    pub recall: Weights,
    /// Tokens of memories that a session begins with; 0: none. Default 1,500.
    pub recall_tokens: usize,
    /// What scores less than this is not recalled for a session, from 0 to 1. Default 0.1.
    pub recall_threshold: f64,
    /// Whether a session may begin with what nobody vouches for. It is believed no more than that from then on. Default false: such
    /// memories are found by asking for them.
    pub recall_untrusted: bool,
    /// Whether sessions are remembered, summed up and learned from when they are over. Default true.
    pub learning_enabled: bool,
    /// Whether a long conversation is summed up before it is too long for its model. Default true.
    pub compaction_enabled: bool,
    /// At which share of the context that is. Default 0.8.
    pub compaction_threshold: f64,
    /// The model that sums up stretches of conversations, sessions and old episodes, as `provider/model`. Default nobody: they are summed
    /// up by rules, in their own words.
    pub summary_model: Option<String>,
    /// The model that proposes what is to be learned from a session, as `provider/model`. Default nobody: that is done by rules.
    pub learning_model: Option<String>,
    /// How long one summary, or what is learned from one session, may take such a model in milliseconds; then rules do it. Default one
    /// minute.
    pub model_timeout_ms: u64,
    /// Who makes vectors. Default nobody.
    pub embedder: EmbedderConfig,
}

/// Who makes vectors: one of them, or nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EmbedderConfig {
    /// A model of a provider, as `provider/model`.
    pub model: Option<String>,
    /// How long its vectors are. They have to be the same as long as it is used.
    pub dimensions: Option<u32>,
    /// A model on this machine, instead of one of a provider.
    pub local: Option<LocalEmbedder>,
}

/// A model on this machine, by its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalEmbedder {
    /// Its weights: the `model.safetensors` of a MiniLM.
    pub model: PathBuf,
    /// The `tokenizer.json` that was published with them.
    pub tokenizer: PathBuf,
}

/// How found memories are weighed against each other. Each share is from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Weights {
    /// The share of meaning (vectors) in what is relevant; the rest is words. Without an embedder words are all. Default 0.5.
    pub meaning: f64,
    /// How much of a score is lost at most by being old. Default 0.1.
    pub recency: f64,
    /// After how many days half of that is lost. Default 30.
    pub half_life_days: f64,
    /// How much of a score is lost at most by being unimportant. Default 0.1.
    pub importance: f64,
    /// What of its score a turn lends to those beside it. Default 0.25.
    pub neighbours: f64,
}

/// The language of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are called what they are")]
#[non_exhaustive]
pub enum Language {
    Arabic,
    Danish,
    Dutch,
    #[default]
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
}

impl Language {
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::Arabic => Algorithm::Arabic,
            Self::Danish => Algorithm::Danish,
            Self::Dutch => Algorithm::Dutch,
            Self::English => Algorithm::English,
            Self::Finnish => Algorithm::Finnish,
            Self::French => Algorithm::French,
            Self::German => Algorithm::German,
            Self::Greek => Algorithm::Greek,
            Self::Hungarian => Algorithm::Hungarian,
            Self::Italian => Algorithm::Italian,
            Self::Norwegian => Algorithm::Norwegian,
            Self::Portuguese => Algorithm::Portuguese,
            Self::Romanian => Algorithm::Romanian,
            Self::Russian => Algorithm::Russian,
            Self::Spanish => Algorithm::Spanish,
            Self::Swedish => Algorithm::Swedish,
            Self::Tamil => Algorithm::Tamil,
            Self::Turkish => Algorithm::Turkish,
        }
    }
}

const MEGABYTE: u64 = 1_000_000;
const HOUR_MS: u64 = 3_600_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            scratchpad_bytes_max: 50 * MEGABYTE,
            scratchpad_kept_ms: HOUR_MS,
            scratchpad_tokens: 2_000,
            episodic_bytes_max: 500 * MEGABYTE,
            episodic_kept_ms: 7 * 24 * HOUR_MS,
            semantic_bytes_max: 2_000 * MEGABYTE,
            alert_threshold: 0.8,
            language: Language::English,
            recall: Weights::default(),
            recall_tokens: 1_500,
            recall_threshold: 0.1,
            recall_untrusted: false,
            learning_enabled: true,
            compaction_enabled: true,
            compaction_threshold: 0.8,
            summary_model: None,
            learning_model: None,
            model_timeout_ms: 60_000,
            embedder: EmbedderConfig::default(),
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self { meaning: 0.5, recency: 0.1, half_life_days: 30.0, importance: 0.1, neighbours: 0.25 }
    }
}

impl Weights {
    /// As scores are reckoned.
    #[expect(clippy::cast_possible_truncation, reason = "shares and days need no more")]
    pub(crate) fn reckoned(&self) -> Reckoned {
        Reckoned {
            meaning: self.meaning as f32,
            recency: self.recency as f32,
            half_life_days: self.half_life_days as f32,
            importance: self.importance as f32,
            neighbours: self.neighbours as f32,
        }
    }
}

/// See [`Weights`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reckoned {
    pub(crate) meaning: f32,
    pub(crate) recency: f32,
    pub(crate) half_life_days: f32,
    pub(crate) importance: f32,
    pub(crate) neighbours: f32,
}

impl Config {
    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the key.
    pub fn validate(&self) -> Result<(), Error> {
        let sizes = [
            ("scratchpadBytesMax", self.scratchpad_bytes_max),
            ("episodicBytesMax", self.episodic_bytes_max),
            ("semanticBytesMax", self.semantic_bytes_max),
            ("episodicKeptMs", self.episodic_kept_ms),
            ("modelTimeoutMs", self.model_timeout_ms),
        ];
        if let Some((key, _)) = sizes.into_iter().find(|(_, size)| *size == 0 || i64::try_from(*size).is_err()) {
            return Err(Error::invalid(key, "expected a number from 1 on"));
        }
        if !(self.alert_threshold > 0.0 && self.alert_threshold <= 1.0) {
            return Err(Error::invalid("alertThreshold", "expected a share above 0, up to 1"));
        }
        if !(self.compaction_threshold > 0.0 && self.compaction_threshold <= 1.0) {
            return Err(Error::invalid("compactionThreshold", "expected a share above 0, up to 1"));
        }
        if !(0.0..=1.0).contains(&self.recall_threshold) {
            return Err(Error::invalid("recallThreshold", "expected a share from 0 to 1"));
        }
        if self.recall_tokens > 100_000 || self.scratchpad_tokens > 100_000 {
            return Err(Error::invalid("recallTokens", "expected at most 100,000, as for scratchpadTokens"));
        }
        self.embedder.validate()?;
        let weights = &self.recall;
        let shares = [
            ("recall.meaning", weights.meaning),
            ("recall.recency", weights.recency),
            ("recall.importance", weights.importance),
            ("recall.neighbours", weights.neighbours),
        ];
        if let Some((key, _)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(Error::invalid(key, "expected a share from 0 to 1"));
        }
        if weights.recency + weights.importance > 1.0 {
            return Err(Error::invalid("recall.importance", "expected at most 1 together with recall.recency"));
        }
        if !(weights.half_life_days.is_finite() && weights.half_life_days > 0.0) {
            return Err(Error::invalid("recall.halfLifeDays", "expected a number of days above 0"));
        }
        Ok(())
    }

    /// How much a tier may hold: of one session for the scratchpad, of an organisation for the others.
    pub fn bytes_max(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Scratchpad => self.scratchpad_bytes_max,
            Tier::Episodic => self.episodic_bytes_max,
            Tier::Semantic => self.semantic_bytes_max,
        }
    }

    /// See [`episodic_kept_ms`](Self::episodic_kept_ms).
    pub fn episodic_kept(&self) -> Duration {
        Duration::from_millis(self.episodic_kept_ms)
    }

    /// See [`model_timeout_ms`](Self::model_timeout_ms).
    pub fn model_timeout(&self) -> Duration {
        Duration::from_millis(self.model_timeout_ms)
    }

    /// See [`scratchpad_kept_ms`](Self::scratchpad_kept_ms).
    pub fn scratchpad_kept(&self) -> Duration {
        Duration::from_millis(self.scratchpad_kept_ms)
    }
}

impl EmbedderConfig {
    fn validate(&self) -> Result<(), Error> {
        if self.local.is_some() && self.model.is_some() {
            let problem = "expected either this or memory.embedder.model: vectors come from one of them";
            return Err(Error::invalid("embedder.local", problem));
        }
        if self.local.is_some() && self.dimensions.is_some() {
            let problem = "expected nothing beside memory.embedder.local, whose file tells it";
            return Err(Error::invalid("embedder.dimensions", problem));
        }
        if self.model.is_some() != self.dimensions.is_some() {
            return Err(Error::invalid("embedder", "expected model and dimensions, or neither"));
        }
        if self.dimensions.is_some_and(|length| !(1..=16_384).contains(&length)) {
            return Err(Error::invalid("embedder.dimensions", "expected a number from 1 to 16384"));
        }
        Ok(())
    }
}
