//! Finding again: by words and by meaning, weighed by age and weight, each result with the parts of its score.

mod alike;
mod assembled;
mod scoring;

use orchestrator_vocab::Timestamp;
use serde::Serialize;

pub(crate) use alike::{is_contradicted, is_same, merge};
pub use assembled::{Assembled, assemble};
pub(crate) use scoring::{Evidence, Terms, terms};

use crate::{Filter, Memory, MemoryId};

/// The most results of one question.
pub const LIMIT_MAX: usize = 100;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// In words.
    pub text: String,
    /// Of which memories.
    pub filter: Filter,
    /// At most so many, up to [`LIMIT_MAX`]. Default 10.
    pub limit: usize,
    /// What scores less is left out. Default 0.
    pub threshold: f32,
    /// Which parts count. Default all.
    pub parts: Parts,
}

/// Which parts of a score count: to see what each is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Words.
    pub words: bool,
    /// Meaning, where there is an embedder.
    pub meaning: bool,
    /// Age, weight and neighbours.
    pub circumstances: bool,
}

impl Question {
    /// Of all memories that count.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            filter: Filter::default(),
            limit: 10,
            threshold: 0.0,
            parts: Parts { words: true, meaning: true, circumstances: true },
        }
    }
}

/// A memory that answers a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// What is remembered.
    pub memory: Memory,
    /// How well it answers, from 0 to 1.
    pub score: f32,
    /// Why.
    pub why: Why,
    /// Others that say the same and were left out for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same: Vec<MemoryId>,
}

/// The parts of a score: `relevance × (1 − what age and weight take off)`, plus what neighbours lend, at most 1.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// How much of what was asked for stands in it: BM25 as a share of the most that a text could have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<f32>,
    /// The words that were found, as stems, and what each contributes to `words`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<(String, f32)>,
    /// How alike the meanings are: the cosine of the vectors, nothing below 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<f32>,
    /// Both together, by their shares.
    pub relevance: f32,
    /// 1 for now, a half after the half-life.
    pub recency: f32,
    /// The memory's weight.
    pub importance: f32,
    /// What the turns beside it lend.
    pub neighbours: f32,
}

/// How old something is, as a share: 1 for now, a half after the half-life. What is yet to come is now.
pub(crate) fn recency(created: Timestamp, now: Timestamp, half_life_days: f32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "days are few")]
    let days = now.since(created).as_millis() as f32 / 86_400_000.0;
    0.5_f32.powf(days / half_life_days)
}
