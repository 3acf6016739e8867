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
mod memories;
mod memory;
#[cfg(feature = "rpc")]
mod operations;
mod recall;
mod scope;
#[cfg(feature = "sql")]
mod sql;
mod store;
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
pub use memories::{BATCH_MAX, Coverage, Edit, Erased, Erasing, Memories, MemoriesParts, Pad, Swept};
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
pub use summary::extract;
pub use tier::{InvalidTier, Tier};
