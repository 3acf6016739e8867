#![doc = include_str!("../README.md")]

mod analysis;
mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod draft;
mod embedder;
mod error;
mod event;
mod facets;
mod kind;
#[cfg(feature = "markdown")]
mod markdown;
mod memories;
mod memory;
#[cfg(feature = "rpc")]
mod operations;
mod recall;
mod scope;
#[cfg(feature = "sql")]
mod sql;
mod store;
mod summarizer;
mod summary;
mod text;
mod tier;
mod vectors;

pub use config::{Config, EmbedderConfig, Language, LocalEmbedder, Weights};
pub use draft::{COVERS_MAX, Draft, TEXT_BYTES_MAX};
pub use embedder::{EmbedError, Embedder};
pub use error::Error;
pub use facets::Facets;
pub use kind::{InvalidKind, Kind};
#[cfg(feature = "markdown")]
pub use markdown::{INDEX, MarkdownFile, index, is_index};
pub use memories::{BATCH_MAX, Coverage, Edit, Elsewhere, Erased, Erasing, Memories, MemoriesParts, Pad, Place, Swept};
#[cfg(feature = "markdown")]
pub use memories::{Counts, ENTRIES_MAX, Imported, ImportedEntry, Importing, Status};
pub use memory::{InvalidState, Memory, MemoryId, MemoryKind, State};
#[cfg(feature = "rpc")]
pub use operations::{Here, operations};
pub use recall::{Assembled, Hit, LIMIT_MAX, Parts, Question, Why, assemble};
pub use scope::{InvalidScope, Scope};
#[cfg(feature = "sql")]
pub use sql::SqlStore;
pub use store::{
    Bounds, Change, Corpus, Filter, Insert, Owners, Placed, Prepared, Store, Stored, Unembedded, Used, Vector,
};
pub use summarizer::{Material, Summarizer, Summed};
pub use summary::extract;
pub use tier::{InvalidTier, Tier};
